//! scratch
use seawall_sim::*;
fn main() {
    for bug in BUGS {
        let sabotage = match bug.way {
            Way::Sabotage(s) => Some(s),
            Way::Line => {
                #[cfg(seawall_planted)]
                seawall::planted::plant(bug.name);
                None
            }
        };
        let one = std::num::NonZeroUsize::MIN;
        for (ops, nested) in [(1, 1), (2, 2), (3, 1)] {
            let search =
                Exhaustive { nested_ops: nested, deep_ops: 0, sabotage, ..Exhaustive::new(ops) };
            let f = search.run(one, &|_, _| {}).1;
            if let Some(f) = f {
                println!("{} ops {ops}: {}", bug.name, f);
                let again = play(&f.scenario, sabotage);
                match again {
                    Err((l, v)) if l == f.life && v == f.violation => {}
                    other => println!("   NOT REPEATED {other:?}"),
                }
                break;
            }
        }
        #[cfg(seawall_planted)]
        seawall::planted::plant("");
    }
}
