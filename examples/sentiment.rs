//! Trains recurrent classifiers that attend to say whether a sentence praises or complains, beside
//! naive Bayes.
//!
//! ```text
//! cargo run --release --example sentiment
//! cargo run --release --example sentiment -- --data amazon_cells_labelled.txt yelp_labelled.txt
//! ```

#[path = "common/sentiment_args.rs"]
mod sentiment_args;

use std::process::ExitCode;

use attn_pipelines::classification::{
    self, Comparison, Prediction, SENTENCES, best_model, check_reviews, made_up_reviews,
    read_reviews, summary, table,
};
use attn_pipelines::cli::{self, Console, Ending, OnSignal};
use attn_pipelines::{Classifier, Error, RunDir, make_folder, refuse_own_input};
use clap::Parser;

pub use sentiment_args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    cli::main(args.quiet, OnSignal::Save, |console| run(&args, console))
}

/// Trains all models on random splits of the sentences, and compares them.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let settings = args.settings()?;
    let device = args.device.open()?;
    if let Some(folder) = &args.model {
        let classifier = Classifier::load(folder, &device)?;
        for (Prediction { praise, .. }, text) in
            classifier.classify(&args.text).iter().zip(&args.text)
        {
            let label = if *praise > 0.5 { "praise" } else { "complaint" };
            console.print(&format!("{label}\t{praise:.3}\t{text}\n"))?;
        }
        return Ok(Ending::Done);
    }

    // Data: sentences with labels, from files or made up.
    let reviews = match args.data.as_slice() {
        [] => made_up_reviews(SENTENCES, args.seed),
        files => read_reviews(files)?,
    };
    check_reviews(&reviews)?;
    let kept = args.out.join("sentiment.json");
    args.data.iter().chain(&args.config).try_for_each(|input| refuse_own_input(&kept, input))?;
    make_folder(&args.out)?;
    settings.save(&kept)?;
    console.say(&summary(&reviews, settings.max_words));

    // Models: all of the settings, trained and tested on each split.
    let comparison = Comparison::new(&reviews, &settings, args.seed, &device);
    let stop = console.stop.clone();
    let outcomes = comparison.run(args.splits(), &stop, |line| console.say(line))?;
    let Some(first) = outcomes.first() else { return Ok(Ending::Interrupted) };

    // The result: a table, and a page that shows what the models attended to.
    console.print(&table(&outcomes))?;
    let path = classification::write_page(&args.out, first)?;
    console.print(&format!("\nwhere the models looked: {}\n", path.display()))?;
    if outcomes.len() < args.splits() {
        return Ok(Ending::Interrupted);
    }

    // And the model that was best in validation, trained on all sentences, to be kept.
    let best = best_model(&outcomes);
    let best = settings.models.iter().find(|model| Some(model.name.as_str()) == best);
    let Some(model) = best else { return Ok(Ending::Done) };
    let folder = || Ok(RunDir::create_numbered(&args.out.join("classifier"))?);
    let trained = Classifier::train(&reviews, model, &settings, args.seed, &device, stop, folder)?;
    let Some((_, folder)) = trained else { return Ok(Ending::Interrupted) };
    console.say(&format!(
        "classify with: cargo run --release --example sentiment -- --model {} \"...\"",
        folder.display()
    ));
    Ok(Ending::Done)
}
