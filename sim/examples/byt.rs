//! scratch
fn main() {
    #[cfg(seawall_planted)]
    for bug in std::env::args().skip(1) {
        println!("{bug} {}", seawall::planted::plant(&bug));
    }
    let start = std::time::Instant::now();
    println!(
        "{:?}",
        seawall_sim::exhaustive::bytes(std::num::NonZeroUsize::new(2).unwrap())
            .map(|r| r.to_string())
    );
    println!("{:?}", start.elapsed());
}
