use super::*;

const HOSTILE: &str = "<script>alert('1')</script>&\"\u{1b}[2J\0";

fn call(step: u64, file: usize, kind: CallKind, what: &str) -> TimelineCall {
    let what = what.to_owned();
    TimelineCall { step, file, kind, what, len: 512, ..TimelineCall::default() }
}

fn op(client: usize, first_step: u64, end_step: u64, what: &str, answer: &str) -> TimelineOp {
    let (what, answer) = (what.to_owned(), answer.to_owned());
    TimelineOp { client, first_step, end_step, what, answer }
}

/// A report with every text set to `text`.
fn saying(text: &str) -> Report {
    let text = || text.to_owned();
    let life = TimelineLife {
        title: text(),
        ops: vec![op(0, 0, 1, &text(), &text()), op(9, 1, 1, &text(), "")],
        calls: vec![call(0, 0, CallKind::Write, &text()), call(1, 9, CallKind::Name, &text())],
        files: vec![text()],
        end: Some(TimelineEnd {
            step: 1,
            kind: text(),
            policy: text(),
            pending: vec![PendingUnit { name: text(), ..PendingUnit::default() }],
            broke: Some(text()),
        }),
    };
    Report {
        title: text(),
        summary: vec![(text(), text())],
        tables: vec![Table {
            title: text(),
            note: text(),
            head: vec![text()],
            rows: vec![vec![text(), text()], vec![]],
        }],
        failure: Some(FailureStory {
            promise: text(),
            what: text(),
            replay: text(),
            scenario: text(),
            timeline: Timeline { clients: vec![text()], lives: vec![life] },
        }),
    }
}

/// A report of one life.
fn of_life(life: TimelineLife) -> Report {
    let timeline = Timeline { clients: vec!["writer".to_owned()], lives: vec![life] };
    let failure = Some(FailureStory { timeline, ..FailureStory::default() });
    Report { title: "One life".to_owned(), failure, ..Report::default() }
}

/// Every tag is closed in order, every attribute quoted, every `&` the beginning of an entity.
fn assert_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some((text, behind)) = rest.split_once('<') {
        let in_style = open.last() == Some(&"style");
        assert!(in_style || !text.contains('>'), "a stray bracket in {text:?}");
        for entity in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
            assert!(known.iter().any(|known| entity.starts_with(known)), "{entity:?}");
        }
        let (tag, behind) = behind.split_once('>').unwrap();
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert_eq!(attributes.matches('"').count() % 2, 0, "{tag}");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{tag}");
        if name != "meta" && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn no_text_of_a_report_becomes_markup_or_moves_a_cursor() {
    let report = saying(HOSTILE);
    let page = render(&report);
    assert_well_formed(&page);
    assert!(!page.contains("<script") && !page.contains("alert('1')"));
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"));
    for shown in [page, report.text()] {
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
    }
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = render(&saying("text"));
    for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("name=\"viewport\"") && page.contains("prefers-color-scheme:dark"));
}

#[test]
fn an_empty_report_is_a_page_too() {
    assert_well_formed(&render(&Report::default()));
    assert_eq!(Report::default().text(), "");
    let empty = of_life(TimelineLife::default());
    assert_well_formed(&render(&empty));
    let ended = TimelineLife { end: Some(TimelineEnd::default()), ..TimelineLife::default() };
    let page = render(&of_life(ended));
    assert_well_formed(&page);
    assert!(page.contains("nothing was pending"));
}

#[test]
fn every_text_of_a_report_is_on_the_page() {
    let mut report = saying("");
    let mut texts = 0;
    let mut name = |text: &mut String| {
        *text = format!("text-{texts}");
        texts += 1;
    };
    name(&mut report.title);
    for (label, value) in &mut report.summary {
        name(label);
        name(value);
    }
    for table in &mut report.tables {
        name(&mut table.title);
        name(&mut table.note);
        table.head.iter_mut().chain(table.rows.iter_mut().flatten()).for_each(&mut name);
    }
    let story = report.failure.as_mut().unwrap();
    name(&mut story.promise);
    name(&mut story.what);
    name(&mut story.replay);
    let in_text = |report: &Report, texts: usize| {
        let text = report.text();
        (0..texts).all(|nth| text.contains(&format!("text-{nth}")))
    };
    name(&mut story.scenario);
    story.timeline.clients.iter_mut().for_each(&mut name);
    let life = &mut story.timeline.lives[0];
    name(&mut life.title);
    life.files.iter_mut().for_each(&mut name);
    for op in &mut life.ops {
        name(&mut op.what);
        name(&mut op.answer);
    }
    life.calls.iter_mut().for_each(|call| name(&mut call.what));
    let end = life.end.as_mut().unwrap();
    name(&mut end.kind);
    name(&mut end.policy);
    name(&mut end.pending[0].name);
    end.broke.iter_mut().for_each(&mut name);
    let page = render(&report);
    assert_well_formed(&page);
    for nth in 0..texts {
        assert!(page.contains(&format!("text-{nth}")), "text-{nth}");
    }
    // A terminal has no room for the scenario and the timeline; what comes before is all there.
    let before_scenario = 3 + 2 + 3 + 3;
    assert!(in_text(&report, before_scenario), "{}", report.text());
}

#[test]
fn every_operation_call_and_pending_unit_is_drawn_and_listed() {
    let kinds = [
        (CallKind::Read, "read"),
        (CallKind::Write, "write"),
        (CallKind::Sync, "sync"),
        (CallKind::Name, "name"),
        (CallKind::Length, "length"),
        (CallKind::Other, "other"),
    ];
    let fates = [(Survived::Kept, "kept"), (Survived::Lost, "lost"), (Survived::Torn, "torn")];
    let life = TimelineLife {
        ops: (0..7).map(|nth| op(0, nth, nth + 1, &format!("op-{nth}."), "ok")).collect(),
        calls: (0..)
            .zip(kinds)
            .map(|(nth, (kind, _))| call(nth, 0, kind, &format!("call-{nth}.")))
            .collect(),
        files: vec!["file".to_owned()],
        end: Some(TimelineEnd {
            step: 6,
            pending: (fates.iter())
                .map(|(survived, name)| PendingUnit {
                    name: format!("unit-{name}."),
                    survived: *survived,
                    ..PendingUnit::default()
                })
                .collect(),
            ..TimelineEnd::default()
        }),
        ..TimelineLife::default()
    };
    let page = render(&of_life(life));
    let (before, drawing) = page.split_once("<div class=\"strip\">").unwrap();
    let (drawing, lists) = drawing.split_once("</div>").unwrap();
    assert!(before.contains("legend"));
    let names = (0..7).map(|nth| format!("op-{nth}."));
    let names = names.chain((0..6).map(|nth| format!("call-{nth}.")));
    for name in names.chain(fates.iter().map(|(_, name)| format!("unit-{name}."))) {
        assert!(drawing.contains(&name), "{name} is not drawn");
        assert!(lists.contains(&name), "{name} is not listed");
    }
    assert_eq!(drawing.matches("class=\"op\"").count(), 7);
    for (_, class) in kinds.into_iter().chain([(CallKind::Other, "hit")]) {
        let wanted = if class == "hit" { 6 } else { 1 };
        // A sync is two rectangles.
        let wanted = if class == "sync" { 2 } else { wanted };
        assert_eq!(drawing.matches(&format!("class=\"{class}\"")).count(), wanted, "{class}");
    }
    for (_, class) in fates {
        assert_eq!(drawing.matches(&format!("class=\"{class}\"")).count(), 1, "{class}");
    }
    for letter in ["K", "L", "T"] {
        assert!(drawing.contains(&format!(">{letter}</text>")));
    }
}

#[test]
fn a_failed_call_is_told_by_its_errno() {
    let failed = |errno| {
        let sync = call(3, 0, CallKind::Sync, "sync_data");
        let calls = vec![TimelineCall { failed: errno, ..sync }];
        render(&of_life(TimelineLife { calls, ..TimelineLife::default() }))
    };
    let drawing = |page: &str| {
        let (_, drawing) = page.split_once("<div class=\"strip\">").unwrap();
        drawing.split_once("</div>").unwrap().0.to_owned()
    };
    let page = failed(Some(crate::faults::EIO));
    assert!(drawing(&page).contains("class=\"failed\"") && page.contains("failed: EIO"));
    assert!(failed(Some(95)).contains("failed: errno 95"));
    assert!(!drawing(&failed(None)).contains("failed"));
}

#[test]
fn of_a_long_life_the_end_is_shown_and_the_page_says_so() {
    let steps = 0..1000_u64;
    let life = TimelineLife {
        ops: steps.clone().map(|nth| op(0, nth, nth + 1, &format!("op-{nth}."), "ok")).collect(),
        calls: steps.map(|nth| call(nth, 0, CallKind::Write, &format!("call-{nth}."))).collect(),
        ..TimelineLife::default()
    };
    let page = render(&of_life(life));
    assert!(page.contains("the last 400 of 1000 calls"));
    assert!(page.contains("call-600.") && page.contains("call-999.") && page.contains("op-999."));
    assert!(!page.contains("call-599.") && !page.contains("op-598."));
}

#[test]
fn more_pending_units_than_there_is_room_for_are_counted_and_listed() {
    let unit = |nth: u64| PendingUnit { name: format!("unit-{nth}."), ..PendingUnit::default() };
    let pending = (0..500).map(unit).collect();
    let end = Some(TimelineEnd { pending, ..TimelineEnd::default() });
    let report = of_life(TimelineLife { end, ..TimelineLife::default() });
    let page = render(&report);
    assert!(page.contains("and 404 more, in the list below") && page.contains("unit-499."));
    assert!(report.text().contains("and 476 more"));
}

#[test]
fn on_a_terminal_labels_and_columns_are_aligned() {
    let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
    let report = Report {
        title: "Größe".to_owned(),
        summary: vec![("a".to_owned(), "1".to_owned()), ("größer".to_owned(), "2".to_owned())],
        tables: vec![Table {
            title: "Faults".to_owned(),
            head: row(["kind", "count"]),
            rows: vec![row(["EIO", "12 000"]), row(["ENOSPC", "7"])],
            ..Table::default()
        }],
        failure: None,
    };
    let wanted = "Größe\n=====\na       1\ngrößer  2\n\nFaults\n------\n\
                  kind     count\nEIO     12 000\nENOSPC       7\n";
    assert_eq!(report.text(), wanted);
}
