//! The command that prints a table again.

use crate::device;

/// The features of a build that names none, in the order of [`device::names`].
const DEFAULT: [&str; 2] = ["ndarray", "flex"];

/// The command that started this process, as one would type it.
pub fn line(binary: &str) -> String {
    let mut features = device::names();
    if cfg!(feature = "candle") {
        features.push("candle");
    }
    if cfg!(feature = "profile") {
        features.push("profile");
    }
    let mut words = vec!["cargo run --release -p attn-benches".to_string()];
    if DEFAULT.iter().all(|name| features.contains(name)) {
        features.retain(|name| !DEFAULT.contains(name));
    } else {
        words.push("--no-default-features".into());
    }
    if !features.is_empty() {
        words.push(format!("--features {}", features.join(",")));
    }
    words.push(format!("--bin {binary} --"));
    let quote = |word: String| if word.contains(' ') { format!("'{word}'") } else { word };
    words.extend(std::env::args().skip(1).map(quote));
    words.join(" ")
}
