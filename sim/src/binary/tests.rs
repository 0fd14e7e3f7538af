#![expect(clippy::disallowed_methods, reason = "a page and a scenario are no files of a store")]

use super::*;
use crate::oracle::Violation;
use crate::rng::Rng;
use crate::subject::{Before, Opened, Stop, World};
use seawall::storage::{OpenMode, StorageFile, write_full};
use std::sync::Arc;

/// A store that promises a byte for each write, and never syncs.
struct Unsynced {
    file: Option<Arc<dyn StorageFile>>,
    promised: u64,
}

impl Subject for Unsynced {
    type Op = u8;
    type Options = ();

    fn draw_options(_: Class, _: &mut Rng) {}

    fn draw_op((): &(), _: &mut Rng) -> u8 {
        7
    }

    fn new((): &()) -> Self {
        Self { file: None, promised: 0 }
    }

    fn fork(&self) -> Self {
        Self { file: None, ..*self }
    }

    fn open(&mut self, world: &World) -> Result<Opened, Stop> {
        let mode = if world.before == Before::Nothing { OpenMode::Create } else { OpenMode::Write };
        let found = world.storage.open("file", mode).and_then(|file| Ok((file.len()?, file)));
        match found {
            Ok((len, file)) if len >= self.promised => {
                (self.file, self.promised) = (Some(file), len);
                Ok(Opened { parts: 1, ..Opened::default() })
            }
            _ if world.disk.is_dead() => Err(Stop::Down),
            _ => {
                Err(Violation { promise: "writes survive", what: "one is lost".to_owned() }.into())
            }
        }
    }

    fn make(&mut self, world: &World, op: &u8) -> Result<(), Stop> {
        let Some(file) = &self.file else { return Ok(()) };
        match write_full(&**file, self.promised, &[&[*op]]) {
            Ok(()) => self.promised += 1,
            Err(_) if world.disk.is_dead() => return Err(Stop::Down),
            Err(_) => {}
        }
        Ok(())
    }

    fn finish(&mut self, _: &World) -> Result<(), Stop> {
        Ok(())
    }

    fn abandon(&mut self) {
        self.file = None;
    }
}

fn ask(line: &str) -> Said {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    answer::<Unsynced>(&arguments, "mine")
}

#[test]
fn help_names_every_option_and_the_classes_of_the_store() {
    for line in ["--help", "-h", "help", "run --help"] {
        let help = ask(line);
        assert_eq!(help.code, KEPT);
        for part in [
            "mine run FIRST..END",
            "--class",
            "--preset",
            "--page",
            "--calls",
            "(`Subject::CLASSES`): crash\n",
        ] {
            assert!(help.text.contains(part), "{part} is missing in {}", help.text);
        }
    }
}

#[test]
fn a_failure_comes_with_its_calls_its_page_and_the_line_that_replays_it() {
    let scratch = tempfile::tempdir().unwrap();
    let page = scratch.path().join("page.html");
    let found = ask(&format!("run 0..200 --class crash --calls --page {}", page.display()));
    assert_eq!(found.code, BROKEN, "{}", found.text);
    let again = found.text.lines().find_map(|line| line.strip_prefix("again: mine ")).unwrap();
    assert!(again.ends_with(" --class crash"), "{again}");
    for part in [
        "writes survive is broken",
        "Life 0, on an empty disk",
        "file: write 1 bytes at 0",
        "power cut (",
    ] {
        assert!(found.text.contains(part), "{part} is missing in {}", found.text);
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("Broken promise: writes survive") && page.contains("mine replay"));

    let replayed = ask(&format!("{again} --calls"));
    assert_eq!(replayed.code, BROKEN);
    let calls = |text: &str| text.split_once("\nLife 0").unwrap().1.to_owned();
    assert_eq!(calls(&replayed.text), calls(&found.text));
    let small = ask(&again.replace("replay", "shrink"));
    assert_eq!(small.code, BROKEN);
    let file = scratch.path().join("small.json");
    fs::write(&file, &small.text).unwrap();
    assert_eq!(ask(&format!("replay {}", file.display())).code, BROKEN);
    let mixed = ask(&format!("replay {} --class crash", file.display()));
    assert_eq!(mixed.code, USAGE, "a stored run has a class of its own");
}

#[test]
fn a_class_that_is_asked_for_is_drawn_and_a_run_that_keeps_all_has_a_page_too() {
    let kept = ask("run 0..1 --preset=power-safe --class=errors");
    assert!(matches!(kept.code, KEPT | BROKEN), "{}", kept.note);
    let asked = Asked::read(&["replay".into(), "3".into(), "--class".into(), "media".into()]);
    let scenario = asked.unwrap().load::<Unsynced>("3").unwrap();
    assert_eq!(scenario.setup.class, Class::Media);
}

#[test]
fn a_line_that_makes_no_sense_is_refused_with_what_to_do() {
    for (line, why) in [
        ("", "say run, replay or shrink"),
        ("run", "needs one argument"),
        ("run 5..5", "no range of seeds"),
        ("run 0..5 0..6", "is no command"),
        ("conquer 1", "is no command"),
        ("run 0..5 --class odd", "is no class"),
        ("run 0..5 --preset odd", "stands for no preset"),
        ("run 0..5 --class", "needs a value"),
        ("run 0..5 --odd", "no option --odd"),
        ("replay /not/there", "/not/there"),
    ] {
        let refused = ask(line);
        assert_eq!(refused.code, USAGE, "{line}");
        assert!(refused.note.contains(why), "{line}: {}", refused.note);
        assert!(refused.note.contains("hint: mine --help"), "{line}");
    }
}
