//! What a panic says.

use std::panic::{UnwindSafe, catch_unwind};

/// The message of the panic that `work` ends in.
///
/// # Panics
/// If `work` ends without one.
pub fn panic_message(work: impl FnOnce() + UnwindSafe) -> String {
    let payload = catch_unwind(work).expect_err("no panic");
    match payload.downcast_ref::<String>() {
        Some(message) => message.clone(),
        None => payload.downcast_ref::<&str>().expect("a panic with a message").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_with_and_without_arguments() {
        let five = 5;
        assert_eq!(panic_message(|| panic!("plain")), "plain");
        assert_eq!(panic_message(move || panic!("got {five}")), "got 5");
    }

    #[test]
    #[should_panic(expected = "no panic")]
    fn no_panic_is_an_error() {
        panic_message(|| ());
    }
}
