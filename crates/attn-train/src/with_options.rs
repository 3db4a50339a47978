//! One method `with_option` for every option of a config.

/// `with_options!(Config { with_a: a: A })` gives `Config` a method that returns it with another `a`.
macro_rules! with_options {
    ($config:ty { $($with:ident: $option:ident: $type:ty),* $(,)? }) => {
        impl $config {
            $(
                #[doc = concat!("The same with another [`", stringify!($option), "`](Self::", stringify!($option), ").")]
                pub fn $with(self, $option: $type) -> Self {
                    Self { $option, ..self }
                }
            )*
        }
    };
}

pub(crate) use with_options;
