//! The program `sentiment` from beginning to end.

use attn_pipelines::classification::Settings;
use attn_pipelines::cli::Ending;
use attn_train::StopSignal;

use crate::desk::Desk;

const SMALL: &str = "--data @reviews.tsv --config @small.json --splits 2";

/// The table without the times.
fn timeless(output: &str) -> Vec<String> {
    let rows = output.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.rsplitn(3, '|').nth(2).unwrap().to_owned()).collect()
}

#[test]
fn a_run_prints_all_models_and_writes_a_page() {
    let desk = Desk::new();
    let ran = desk.call(&format!("{SMALL} --out @out"));
    assert!(ran.said.contains("40 sentences, 20 of them praise") && ran.said.contains("of 2: "));
    let output = ran.done();
    let settings: Settings = serde_json::from_str(&desk.read("out/sentiment.json")).unwrap();
    assert_eq!(settings, serde_json::from_str(&desk.read("small.json")).unwrap());
    let models = settings.models.iter().map(|model| model.name.as_str());
    for name in models.chain(["naive Bayes"]) {
        assert!(output.contains(&format!("| {name} |")), "{name} in {output}");
    }

    let page = desk.read("out/sentiment.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(page.contains("&lt;</span>") && page.contains("&quot;") && page.contains("&amp;"));
    assert!(!page.contains("<script") && !page.contains('\u{85}') && !page.contains("http"));
    assert!(page.contains("prefers-color-scheme: dark"));
    assert_eq!(balance(&page), Vec::<String>::new(), "every tag is closed");
    let weights = page.split("title=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let weights: Vec<f32> = weights.map(|weight| weight.parse().unwrap()).collect();
    assert!(!weights.is_empty() && weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
}

/// Tags that are open at the end.
fn balance(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    for tag in page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name)),
            None if name == "meta" || name == "!DOCTYPE" => {}
            None => open.push(name.to_owned()),
        }
    }
    open
}

#[test]
fn a_seed_fixes_the_run() {
    let desk = Desk::new();
    let run = |seed: u8, out: &str| {
        let output = desk.call(&format!("{SMALL} --seed {seed} --out @{out}")).done();
        (timeless(&output), desk.read(&format!("{out}/sentiment.html")))
    };
    let one = run(3, "one");
    // Not `assert_eq`, which would print two pages.
    assert!(one == run(3, "two"));
    assert!(one != run(4, "three"));
}

#[test]
fn made_up_sentences_need_no_files() {
    let desk = Desk::new();
    let command = "--config @small.json --splits 1 --max-epochs 1 --max-words 3 --quiet --out @out";
    let ran = desk.call(command);
    assert!(ran.said.contains("cut to 3 words"), "{}", ran.said);
    assert!(ran.done().contains("over 1 random split "));
}

#[test]
fn a_run_can_be_stopped() {
    let desk = Desk::new();
    let stop = StopSignal::new();
    stop.stop();
    let ran = desk.call_with(&format!("{SMALL} --out @out"), &stop);
    assert_eq!(ran.ended(), Ending::Interrupted);
    assert_eq!(ran.output, "");
}
