//! A log whose records belong to another program: raw ones are not appended to it, and all may read
//! it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{feed, files, run};
use seawall::{Content, Error, Log, LogView, Options};
use serde_json::{Value, json};

#[test]
fn a_log_of_another_content_is_refused_by_name_and_not_a_byte_is_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    let streams = Content::new("streams", 1).unwrap();
    let log = Log::open(&dir, Options::new().segment_len(16 << 10).content(streams)).unwrap();
    log.append(b"only streams know what this means").unwrap();
    assert_eq!(log.content(), streams);
    log.close().unwrap();
    drop(log);

    let before = files(&dir);
    let commands: [(&str, &[&str]); 3] = [
        ("append", &[]),
        ("trim", &["--keep-bytes", "0"]),
        ("trim", &["--keep-bytes", "0", "--dry-run"]),
    ];
    for (command, options) in commands {
        let refused = feed(command, &dir, options, b"one more\n").expect(5);
        let says = "this log holds `streams` version 1, not raw records";
        assert!(refused.stderr.contains(says), "{command}: {}", refused.stderr);
        assert!(refused.stderr.contains("hint: "), "{command}: {}", refused.stderr);
    }
    for (name, version) in [("streams", 2), ("events", 1)] {
        let other = Content::new(name, version).unwrap();
        let refused = Log::open(&dir, Options::new().content(other)).unwrap_err();
        let names = |expected, found| (expected, found) == (other, streams);
        assert!(
            matches!(refused, Error::Content { expected, found } if names(expected, found)),
            "{refused}"
        );
    }
    assert!(files(&dir) == before, "who was refused changed something");

    for (command, options) in [("cat", &[][..]), ("verify", &[]), ("inspect", &[]), ("repair", &[])]
    {
        run(command, &dir, options).expect(0);
    }
    let shown: Value = serde_json::from_slice(&run("inspect", &dir, &["--json"]).stdout).unwrap();
    assert_eq!(shown["content"], json!({ "name": "streams", "version": 1 }));
    let copy = scratch.path().join("copy");
    run("copy", &dir, &[copy.to_str().unwrap()]).expect(0);
    assert_eq!(LogView::open(&copy).unwrap().content(), Some(streams));
    assert!(files(&dir) == before, "a reader changed something");
}
