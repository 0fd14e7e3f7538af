//! What the documents say of the number of planted bugs, against the table of them.

use seawall_sim::{BUGS, Judge};

const TESTING: &str = include_str!("../../docs/TESTING.md");
const CHANGELOG: &str = include_str!("../../CHANGELOG.md");

#[test]
fn the_documents_count_the_planted_bugs_that_there_are() {
    let all = BUGS.len();
    assert!(TESTING.contains(&format!("\n{all} bugs, one at a time")), "TESTING: {all}");
    assert!(CHANGELOG.contains(&format!("and {all} bugs that can be planted")), "CHANGELOG: {all}");
}

#[test]
fn the_table_of_judges_counts_the_bugs_of_each() {
    let rows = [
        ("campaign", Judge::Campaign),
        ("exhaustive", Judge::Exhaustive),
        ("schedules", Judge::Shuttle),
        ("two runs (`meta`)", Judge::Meta),
        ("a process", Judge::Process),
        ("a scene", Judge::Scene),
    ];
    let count = |judge| BUGS.iter().filter(|bug| bug.judge == judge).count();
    let total: usize = rows.iter().map(|&(_, judge)| count(judge)).sum();
    assert_eq!(total, BUGS.len(), "each judge has its row");
    for (name, judge) in rows {
        let row = format!("\n| {name} | {} | ", count(judge));
        assert!(TESTING.contains(&row), "TESTING has no row {row:?}");
    }
}
