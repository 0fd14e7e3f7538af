use seawall_sim::*;
use std::num::NonZeroUsize;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut c = Campaign::<SeawallLog>::new();
    if let Some(k) = a.get(2) {
        c.draw.class = Some(k.parse().unwrap());
    }
    if let Some(k) = a.get(3) {
        c.sabotage = Sabotage::ALL.into_iter().find(|s| format!("{s:?}") == *k);
        assert!(c.sabotage.is_some());
    }
    let t = std::time::Instant::now();
    let seeds = parse_seeds(&a[1]).unwrap();
    let (f, failure) = c.run_while(seeds, NonZeroUsize::new(1).unwrap(), |_| true);
    let s = t.elapsed().as_secs_f64();
    println!(
        "{f}\n{:.1} us a cycle, {:.0}/s; nested {:?} multi {:.2} kills {} calls/cycle {}",
        s * 1e6 / f.crash_cycles as f64,
        f.crash_cycles as f64 / s,
        f.nested,
        f.multi_part_share(),
        f.kills,
        f.disk_calls / f.crash_cycles.max(1)
    );
    for (n, c) in &f.faults {
        println!("  {n} {c}");
    }
    for ((c, w), n) in &f.cells {
        println!("  {} / {w}: {n}", SeawallLog::CELLS[*c]);
    }
    if let Some(failure) = failure {
        println!("{failure}");
        let t = std::time::Instant::now();
        if let Some(s) = shrink(&failure.scenario, None, |n| n < 3000) {
            println!(
                "{}\n{} plays {:.1}s {}",
                s.scenario.to_json(),
                s.played,
                t.elapsed().as_secs_f64(),
                s.violation
            );
        }
    }
}
