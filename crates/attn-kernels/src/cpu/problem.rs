//! Inputs and results of attention.

use super::pack::Rows;
use super::pages;
use super::schedule::SharedPtr;
use crate::layout::{Output, View};
use crate::parameters::Options;

impl<T> View<'_, T> {
    /// Panics if an element lies outside of the memory: what the kernels' memory accesses rest on.
    fn check(&self, name: &str) {
        let last = |(&size, &stride): (&usize, &usize)| (size - 1) * stride;
        let empty = self.shape.contains(&0);
        let needed =
            self.shape.iter().zip(&self.strides).map(|pair| if empty { 0 } else { last(pair) });
        let needed = if empty { 0 } else { needed.sum::<usize>() + 1 };
        let found = self.data.len();
        assert!(found >= needed, "{name} needs {needed} numbers in memory, there are {found}");
    }

    /// An element.
    pub(super) fn at(&self, index: [usize; 4]) -> T
    where
        T: Copy,
    {
        self.data
            [index.iter().zip(self.strides).map(|(index, stride)| index * stride).sum::<usize>()]
    }

    /// Where an element is in a contiguous tensor of this shape, of which a dimension of size 1
    /// stands for all.
    pub(super) fn own_index(&self, index: [usize; 4]) -> usize {
        let axis = |offset, axis: usize| {
            let size = self.shape[axis];
            offset * size + if size == 1 { 0 } else { index[axis] }
        };
        (0..4).fold(0, axis)
    }

    /// The rows of a head.
    #[inline(always)]
    pub(super) fn rows(&self, b: usize, h: usize) -> Rows<T> {
        let [sb, sh, si, _] = self.strides;
        let offset = b * sb + h * sh;
        assert!(offset <= self.data.len(), "head {:?} of {:?}", [b, h], self.shape);
        // SAFETY: within the memory, or at its end.
        Rows { start: unsafe { self.data.as_ptr().add(offset) }, row: si }
    }
}

/// The inputs of an attention.
#[derive(Clone, Debug)]
pub(crate) struct Problem<'a, T> {
    /// `[batch, heads, queries, d]`, elements of a row next to each other.
    pub(crate) query: View<'a, T>,
    /// `[batch, kv_heads, keys, d]`, likewise.
    pub(crate) key: View<'a, T>,
    /// `[batch, kv_heads, keys, value_dim]`, likewise.
    pub(crate) value: View<'a, T>,
    /// `[batch | 1, heads | 1, queries | 1, keys | 1]`; elements of a row are next to each other, if
    /// there is more than one.
    pub(crate) bias: Option<View<'a, T>>,
    /// A logit for each head.
    pub(crate) sink: Option<&'a [T]>,
    pub(crate) options: &'a Options,
}

/// The sizes of a problem.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub batch: usize,
    pub heads: usize,
    pub kv_heads: usize,
    /// Heads of a key/value head.
    pub group: usize,
    pub queries: usize,
    pub keys: usize,
    pub width: usize,
    pub value_width: usize,
}

impl Shape {
    /// Whether so few rows share keys that packing these would cost more than it saves. Then products
    /// of queries and keys are sums in another order, in the backward pass as in the forward one: a
    /// weight is only as exact as its score, which may be large, is the same both times.
    #[inline(always)]
    pub(super) fn has_few_rows(&self) -> bool {
        self.group * self.queries <= 2
    }
}

impl<T> Problem<'_, T> {
    /// The sizes, after a look whether everything fits them.
    pub(super) fn shape(&self) -> Shape {
        let [batch, heads, queries, width] = self.query.shape;
        let [_, kv_heads, keys, _] = self.key.shape;
        let value_width = self.value.shape[3];
        assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "{heads} heads over {kv_heads}");
        assert_eq!(self.key.shape, [batch, kv_heads, keys, width], "key");
        assert_eq!(self.value.shape, [batch, kv_heads, keys, value_width], "value");
        for (view, name) in [(&self.query, "query"), (&self.key, "key"), (&self.value, "value")] {
            view.check(name);
            assert!(view.shape[3] < 2 || view.strides[3] == 1, "rows of {name} are not contiguous");
        }
        if let Some(bias) = &self.bias {
            bias.check("bias");
            for (axis, full) in [batch, heads, queries, keys].into_iter().enumerate() {
                let (size, stride) = (bias.shape[axis], bias.strides[axis]);
                let fits = (size == 1 && stride == 0) || (size == full && (axis < 3 || stride < 2));
                assert!(fits, "axis {axis} of bias {:?}, {:?}", bias.shape, bias.strides);
            }
        }
        if let Some(sink) = self.sink {
            assert_eq!(sink.len(), heads, "sinks");
        }
        let group = heads / kv_heads;
        Shape { batch, heads, kv_heads, group, queries, keys, width, value_width }
    }
}

/// What the backward pass reads in addition to the problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saved<'a, T> {
    /// `[batch, heads, queries, value_dim]`, elements of a row next to each other.
    pub(crate) context: View<'a, T>,
    /// `[2, batch, heads, queries]`, contiguous: log-sum-exp, and what rounding has left of it.
    pub(crate) statistics: &'a [T],
    /// As `context`; `None` if no gradient reaches it.
    pub(crate) grad_context: Option<View<'a, T>>,
    /// Of the log-sum-exp, `[batch, heads, queries]`, contiguous; `None` if no gradient reaches it.
    pub(crate) grad_log_sum_exp: Option<&'a [T]>,
    /// Whether the gradient of a bias is wanted: it is as large as the bias.
    pub(crate) bias_gradient: bool,
}

impl<T> Saved<'_, T> {
    /// Panics if something does not fit the sizes.
    pub(super) fn check(&self, shape: &Shape) {
        let &Shape { batch, heads, queries, value_width, .. } = shape;
        for view in [Some(&self.context), self.grad_context.as_ref()].into_iter().flatten() {
            view.check("context");
            assert_eq!(view.shape, [batch, heads, queries, value_width], "context");
            assert!(value_width < 2 || view.strides[3] == 1, "rows of context are not contiguous");
        }
        let rows = batch * heads * queries;
        assert_eq!(self.statistics.len(), 2 * rows, "statistics");
        assert!(self.grad_log_sum_exp.is_none_or(|gradient| gradient.len() == rows), "log-sum-exp");
    }
}

impl<T: Copy> Saved<'_, T> {
    /// The log-sum-exp of a row and its remainder.
    #[inline(always)]
    pub(super) fn log_sum_exp(&self, row: usize) -> [T; 2] {
        [self.statistics[row], self.statistics[self.statistics.len() / 2 + row]]
    }
}

impl<T: Copy> Output<T> {
    /// Room for a tensor in the order of another.
    pub(super) fn like(view: &View<'_, T>, shape: [usize; 4]) -> Self {
        let heads_inside = shape[1] > 1 && view.strides[1] < view.strides[2];
        let data = Vec::with_capacity(shape.iter().product());
        pages::prefer_large_pages(data.as_ptr(), data.capacity());
        Self { data, shape, heads_inside }
    }

    /// [`like`](Self::like), of zeros.
    pub(super) fn zeros(view: &View<'_, T>, zero: T) -> Self {
        let mut output = Self::like(view, view.shape);
        output.data.resize(view.shape.iter().product(), zero);
        output
    }

    /// Where its rows are.
    pub(super) fn shared(&mut self) -> OutputRows<T> {
        let [_, heads, steps, width] = self.shape;
        let (head, step) =
            if self.heads_inside { (width, heads * width) } else { (steps * width, width) };
        let start = SharedPtr(self.data.as_mut_ptr());
        OutputRows { start, batch: heads * steps * width, head, step }
    }

    /// # Safety
    /// All of it must have been written.
    pub(super) unsafe fn finish(mut self) -> Self {
        // SAFETY: that capacity was allocated when the vector was made, and have been written.
        unsafe { self.data.set_len(self.shape.iter().product()) };
        self
    }
}

/// The rows of a tensor that is being made.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputRows<T> {
    start: SharedPtr<T>,
    batch: usize,
    pub head: usize,
    pub step: usize,
}

impl<T: Copy> OutputRows<T> {
    /// # Safety
    /// There must be such a row.
    #[inline(always)]
    pub(super) unsafe fn row(&self, b: usize, h: usize, i: usize) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe { self.start.at(b * self.batch + h * self.head + i * self.step) }
    }
}

/// Gradients of the tensors of a problem.
#[derive(Debug)]
pub(crate) struct Gradients<T> {
    pub(crate) query: Output<T>,
    pub(crate) key: Output<T>,
    pub(crate) value: Output<T>,
    /// Of the bias's own shape, contiguous.
    pub(crate) bias: Option<Vec<T>>,
    /// For each head.
    pub(crate) sink: Option<Vec<T>>,
}
