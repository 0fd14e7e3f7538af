use seawall_sim::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let max: u64 = a[1].parse().unwrap();
    let only = a.get(2);
    std::panic::set_hook(Box::new(|_| {}));
    for bug in
        BUGS.iter().filter(|b| b.judge == Judge::Campaign && only.is_none_or(|o| o == b.name))
    {
        let mut c = Campaign::<SeawallLog>::new();
        c.draw.class = Some(bug.class);
        #[cfg(seawall_planted)]
        seawall::planted::plant("");
        match bug.way {
            Way::Sabotage(s) => c.sabotage = Some(s),
            Way::Line => {
                #[cfg(seawall_planted)]
                assert!(seawall::planted::plant(bug.name));
            }
        }
        let t = std::time::Instant::now();
        let r = c.run(1_000_000..1_000_000 + max);
        let s = t.elapsed().as_secs_f64();
        match r {
            Ok(f) => println!(
                "{:36} NOT FOUND in {} seeds {} cycles {s:.1}s",
                bug.name, f.seeds, f.crash_cycles
            ),
            Err(f) => {
                let sh = if a.get(3).is_some() {
                    shrink(&f.scenario, c.sabotage, |n| n < 3000)
                } else {
                    None
                };
                println!(
                    "{:36} {:6} seeds {s:5.1}s expected {} : {} {}",
                    bug.name,
                    f.seed - 1_000_000 + 1,
                    bug.promise,
                    f.violation.to_string().chars().take(110).collect::<String>(),
                    sh.as_ref().map_or(String::new(), |s| format!(
                        "[{} ops {} crashes {} plays {:.1}s]",
                        s.scenario.op_count(),
                        s.scenario.crash_count(),
                        s.played,
                        t.elapsed().as_secs_f64()
                    ))
                );
                if a.get(4).is_some() {
                    println!("{}", sh.unwrap().scenario.to_json());
                }
            }
        }
    }
}
