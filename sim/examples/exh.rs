//! scratch
fn main() {
    let args: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let mut search = seawall_sim::Exhaustive::new(args[0]);
    search.nested_ops = args[1];
    search.deep_ops = args[2];
    if let Some(cap) = args.get(4) {
        search.cap = *cap;
    }
    let start = std::time::Instant::now();
    let (report, failure) = search.run(std::num::NonZeroUsize::new(args[3]).unwrap(), &|_, _| {});
    println!("{report}\n{failure:?}\n{:?}", start.elapsed());
}
