//! Every attention of the family, trained on the same small task under the same budget.
//!
//! ```text
//! cargo run --release --example mechanisms
//! cargo run --release --example mechanisms -- --only softmax,sparsemax --steps 200
//! ```
//!
//! Prints one table and writes a picture of each mechanism's weights. The task, the model around a
//! mechanism and the members of the family are `attn_examples::mechanisms`.

use std::process::ExitCode;

use attn_examples::mechanisms::{Args, contest, decode, family, memory, table};
use attn_pipelines::cli::{self, Console, Ending, OnSignal};
use attn_pipelines::{Error, make_folder};
use clap::{Parser, ValueEnum};

fn main() -> ExitCode {
    let args = Args::parse();
    // There is nothing to save: a training takes seconds.
    cli::main(true, OnSignal::End, |console| run(&args, console))
}

fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let members = family::members();
    if args.list {
        members.iter().try_for_each(|member| console.print(&format!("{}\n", member.name)))?;
        return Ok(Ending::Done);
    }
    let device = args.device.open()?;
    if args.decode {
        console.print(&decode::head())?;
        for (name, config) in decode::members() {
            console.print(&decode::row(name, &config, &device))?;
        }
        return Ok(Ending::Done);
    }
    // What this program starts itself for, to see the peak of one mechanism alone.
    if let Some(measured) = members.iter().find(|one| args.measure.as_deref() == Some(one.name)) {
        let bytes = memory::measure(measured, &device).map_or(String::new(), |b| b.to_string());
        console.print(&bytes)?;
        return Ok(Ending::Done);
    }

    // One after the other: trained, tested on longer memories, drawn, measured.
    make_folder(&args.out)?;
    let value = args.device.to_possible_value();
    let device_name = value.map_or_else(String::new, |value| value.get_name().to_owned());
    console.print(&table::head(args))?;
    let asked = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    for member in members.iter().filter(|member| asked(member.name)) {
        let outcome = contest::contest(member, args, &device)?;
        let bytes = memory::measure_in_process(member, &device_name);
        console.print(&table::row(member, &outcome, bytes, args))?;
    }
    console.print(&format!("\npictures of the weights: {}\n", args.out.display()))?;
    Ok(Ending::Done)
}
