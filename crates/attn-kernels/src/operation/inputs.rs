//! The inputs of an operation.

use crate::maybe::Maybe;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};

/// Up to four tensors that an operation requires, and one that may be absent.
#[derive(ExtensionType, Clone, Debug)]
pub struct Inputs<B: Backend> {
    first: FloatTensor<B>,
    #[extension_type]
    second: Maybe<B>,
    #[extension_type]
    third: Maybe<B>,
    #[extension_type]
    fourth: Maybe<B>,
    #[extension_type]
    optional: Maybe<B>,
}

impl<B: Backend> Inputs<B> {
    /// # Panics
    /// Unless one to four are required.
    pub(crate) fn new<const N: usize>(
        required: [FloatTensor<B>; N],
        optional: Option<FloatTensor<B>>,
    ) -> Self {
        assert!((1..=4).contains(&N), "an operation of {N} inputs");
        let mut required = required.into_iter();
        let first = required.next().expect("one is required");
        let [second, third, fourth] = [(); 3].map(|()| Maybe::from_option(required.next()));
        Self { first, second, third, fourth, optional: Maybe::from_option(optional) }
    }

    /// The required ones, and the one that may be absent.
    ///
    /// # Panics
    /// If not so many were required.
    pub(crate) fn split<const N: usize>(self) -> ([FloatTensor<B>; N], Option<FloatTensor<B>>) {
        let others = [self.second, self.third, self.fourth].map(Maybe::into_option);
        let required: Vec<_> = [Some(self.first)].into_iter().chain(others).flatten().collect();
        let count = required.len();
        let required = required.try_into();
        let required =
            required.unwrap_or_else(|_| panic!("{count} inputs are not the {N} required"));
        (required, self.optional.into_option())
    }

    /// All in their order: the required ones, and the one that may be absent.
    pub(super) fn slots(&self) -> Vec<Option<&FloatTensor<B>>> {
        let others = [&self.second, &self.third, &self.fourth].map(Maybe::as_ref);
        let required =
            [Some(&self.first)].into_iter().chain(others.into_iter().filter(Option::is_some));
        required.chain([self.optional.as_ref()]).collect()
    }

    /// The tensors of another backend.
    pub(super) fn map<C: Backend>(
        self,
        function: impl Fn(FloatTensor<B>) -> FloatTensor<C>,
    ) -> Inputs<C> {
        Inputs {
            first: function(self.first),
            second: self.second.map(&function),
            third: self.third.map(&function),
            fourth: self.fourth.map(&function),
            optional: self.optional.map(&function),
        }
    }
}
