//! Layers along their sequences as operations of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favour of flex.

use crate::cpu::isa;
use crate::cpu::sequence::{Kind, Passed, Sequences, backward, forward, of_bias, of_weight};
use crate::maybe::Maybe;
use crate::slices::{Slices, changed, in_order, on_slices, slice, tensor};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

/// Hidden states of all steps, and the last hidden state and memory cell.
pub(super) fn lstm(
    projected: Tensor<3>,
    weight: Tensor<2>,
    [hidden, cell]: [Tensor<2>; 2],
    kept: Option<Tensor<2>>,
    walk: Walk,
) -> (Tensor<3>, [Tensor<2>; 2]) {
    let (outputs, last) = sequence(projected, weight, cell.into_dispatch(), hidden, kept, walk);
    let [hidden, cell] =
        [0, 1].map(|state| last.clone().slice_dim(0, state..state + 1).squeeze_dim(0));
    (outputs, [hidden, cell])
}

/// Hidden states of all steps, and the last one.
pub(super) fn gru(
    projected: Tensor<3>,
    (weight, bias): (Tensor<2>, Tensor<1>),
    hidden: Tensor<2>,
    kept: Option<Tensor<2>>,
    walk: Walk,
) -> (Tensor<3>, Tensor<2>) {
    let (outputs, last) = sequence(projected, weight, bias.into_dispatch(), hidden, kept, walk);
    (outputs, last.squeeze_dim(0))
}

/// Hidden states of all steps, and the last states, `[states, rows, d]`.
fn sequence(
    projected: Tensor<3>,
    weight: Tensor<2>,
    beside: FloatTensor<Dispatch>,
    hidden: Tensor<2>,
    kept: Option<Tensor<2>>,
    walk: Walk,
) -> (Tensor<3>, Tensor<3>) {
    let last = Last::default();
    let outputs = <Dispatch as SequenceOps>::recurrent_sequence(
        projected.into_dispatch(),
        weight.into_dispatch(),
        beside,
        hidden.into_dispatch(),
        Maybe::from_option(kept.map(Tensor::into_dispatch)),
        walk,
        last.clone(),
    );
    let states = <Dispatch as SequenceOps>::last_states(outputs.clone(), last);
    (Tensor::from_dispatch(outputs), Tensor::from_dispatch(states))
}

/// A node of burn's graph has one result. The last states are that of a node of their own, behind the
/// sequence's, and this is where the two meet: forwards the states go through it, and backwards their
/// gradient, while all that the graph adds to the gradient of the outputs is a zero.
#[derive(Clone, Debug, Default)]
pub struct Last(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Last {
    fn put<B: Backend>(&self, states: FloatTensor<B>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(states));
    }

    fn take<B: Backend>(&self) -> Option<FloatTensor<B>> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(*states.downcast().expect("both nodes are of one backend"))
    }
}

/// Which cell goes along which steps.
#[derive(Clone, Debug)]
pub struct Walk {
    kind: Kind,
    lengths: Arc<[usize]>,
    reverse: bool,
}

impl Walk {
    pub(super) fn new(kind: Kind, lengths: &[usize], reverse: bool) -> Self {
        Self { kind, lengths: lengths.into(), reverse }
    }
}

/// A layer along its sequences.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait SequenceOps: Backend {
    /// Hidden states of all steps. `beside` is the first memory cell of an LSTM, the bias of a GRU.
    fn recurrent_sequence(
        projected: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        beside: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        #[extension_type] kept: Maybe<Self>,
        walk: Walk,
        last: Last,
    ) -> FloatTensor<Self>;

    /// The last states that belong to these outputs.
    fn last_states(outputs: FloatTensor<Self>, last: Last) -> FloatTensor<Self>;
}

on_slices!(SequenceOps {
    fn recurrent_sequence(
        projected: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        beside: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        kept: Maybe<Self>,
        walk: Walk,
        last: Last,
    ) -> FloatTensor<Self> {
        run::<Self>(projected, Inputs::new(weight, beside, hidden, kept), walk, last).output
    }

    fn last_states(_: FloatTensor<Self>, last: Last) -> FloatTensor<Self> {
        last.take::<Self>().expect("a sequence puts them there")
    }
});

/// What a layer reads at all steps, in order.
#[derive(Clone, Debug)]
struct Inputs<B: Backend> {
    weight: FloatTensor<B>,
    beside: FloatTensor<B>,
    hidden: FloatTensor<B>,
    kept: Option<FloatTensor<B>>,
}

impl<B: Slices<f32>> Inputs<B> {
    fn new(
        weight: FloatTensor<B>,
        beside: FloatTensor<B>,
        hidden: FloatTensor<B>,
        kept: Maybe<B>,
    ) -> Self {
        let [weight, beside, hidden] = [weight, beside, hidden].map(in_order::<B, f32>);
        Self { weight, beside, hidden, kept: kept.into_option().map(in_order::<B, f32>) }
    }

    fn sequences<'a>(&'a self, walk: &'a Walk, steps: usize) -> Sequences<'a> {
        let [_, d] = self.hidden.shape().dims();
        let beside = slice::<B, f32>(&self.beside);
        let (cell, bias) = match walk.kind {
            Kind::Lstm => (beside, &[][..]),
            Kind::Gru => (&[][..], beside),
        };
        Sequences {
            kind: walk.kind,
            lengths: &walk.lengths,
            steps,
            reverse: walk.reverse,
            d,
            weight: slice::<B, f32>(&self.weight),
            bias,
            hidden: slice::<B, f32>(&self.hidden),
            cell,
            kept: self.kept.as_ref().map(slice::<B, f32>),
        }
    }
}

/// What a walk made, and what its way back needs.
#[derive(Clone, Debug)]
struct State<B: Backend> {
    inputs: Inputs<B>,
    walk: Walk,
    last: Last,
    gates: FloatTensor<B>,
    extra: FloatTensor<B>,
    output: FloatTensor<B>,
}

fn run<B: Slices<f32>>(
    projected: FloatTensor<B>,
    inputs: Inputs<B>,
    walk: Walk,
    last: Last,
) -> State<B> {
    let device = projected.device();
    let [steps, rows, _] = projected.shape().dims();
    let [_, d] = inputs.hidden.shape().dims();
    let mut made = None;
    // Where they are, if nobody else reads them.
    let gates = changed::<B, f32>(projected, |gates| {
        made = Some(forward(isa(), inputs.sequences(&walk, steps), gates));
    });
    let [output, extra, states] = made.expect("what changes is changed once");
    let [output, extra] = [output, extra].map(|x| tensor::<B, f32>(x, [steps, rows, d], &device));
    last.put::<B>(tensor::<B, f32>(states, [walk.kind.states(), rows, d], &device));
    State { inputs, walk, last, gates, extra, output }
}

/// The node of the result.
#[derive(Debug)]
struct Sequence;

impl<B: Slices<f32>> Backward<B, 5> for Sequence {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 5>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { node, parents: [projected, weight, beside, hidden, kept], state } = ops;
        let State { inputs, walk, last, gates, extra, output } = state;
        let device = output.device();
        let [steps, rows, d] = output.shape().dims::<3>();
        let zeros =
            |dims: [usize; 3]| tensor::<B, f32>(vec![0.0; dims.iter().product()], dims, &device);
        let mut gradient = in_order::<B, f32>(graph.consume::<B>(&node));
        if gradient.shape() != output.shape() {
            // The zero alone: no loss depends on the outputs.
            gradient = zeros([steps, rows, d]);
        }
        let last = last.take::<B>().unwrap_or_else(|| zeros([walk.kind.states(), rows, d]));
        let last = in_order::<B, f32>(last);
        let sequences = inputs.sequences(&walk, steps);
        let kept = kept.filter(|_| inputs.kept.is_some());

        let (mut of_start, mut of_gates) = (None, None);
        let extra = changed::<B, f32>(extra, |extra| {
            of_gates = Some(changed::<B, f32>(gates, |gates| {
                let [output, gradient, last] = [&output, &gradient, &last].map(slice::<B, f32>);
                let (passed, places) = (Passed { output, gradient, last }, [gates, extra]);
                let gradients = backward(isa(), sequences, passed, places, kept.is_some());
                of_start = Some(gradients);
            }));
        });
        let of_start = of_start.expect("what changes is changed once");
        let of_gates = of_gates.expect("what changes is changed once");
        let [output, gates, extra] = [&output, &of_gates, &extra].map(slice::<B, f32>);
        if let Some(parent) = weight {
            let of_weight = of_weight(sequences, output, gates, extra);
            let of_weight = tensor::<B, f32>(of_weight, inputs.weight.shape(), &device);
            graph.register::<B>(parent.id, of_weight);
        }
        if let Some(parent) = beside {
            let of_beside = match walk.kind {
                Kind::Lstm => of_start.cell,
                Kind::Gru => of_bias(isa(), sequences, gates, extra),
            };
            let of_beside = tensor::<B, f32>(of_beside, inputs.beside.shape(), &device);
            graph.register::<B>(parent.id, of_beside);
        }
        for (parent, of) in [(hidden, of_start.hidden), (kept, of_start.kept)] {
            if let Some(parent) = parent {
                graph
                    .register::<B>(parent.id, tensor::<B, f32>(of, inputs.hidden.shape(), &device));
            }
        }
        if let Some(parent) = projected {
            graph.register::<B>(parent.id, of_gates);
        }
    }
}

/// The node of the last states.
#[derive(Debug)]
struct States;

impl<B: Slices<f32>> Backward<B, 1> for States {
    type State = Last;

    fn backward(self, ops: Ops<Last, 1>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { node, parents: [outputs], state } = ops;
        let gradient = graph.consume::<B>(&node);
        if let Some(parent) = outputs {
            let zero = tensor::<B, f32>(vec![0.0], [1, 1, 1], &gradient.device());
            state.put::<B>(gradient);
            graph.register::<B>(parent.id, zero);
        }
    }
}

impl<B: Slices<f32> + SequenceOps, C: CheckpointStrategy> SequenceOps for Autodiff<B, C> {
    fn recurrent_sequence(
        projected: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        beside: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        kept: Maybe<Self>,
        walk: Walk,
        last: Last,
    ) -> FloatTensor<Self> {
        // In the slot of factors that are absent stands the input, whose gradient is not asked twice.
        let nodes = [
            projected.node(),
            weight.node(),
            beside.node(),
            hidden.node(),
            kept.as_ref().unwrap_or(&projected).node(),
        ];
        let projected = projected.into_primitive();
        let [weight, beside, hidden] = [weight, beside, hidden].map(|x| x.into_primitive());
        let kept: Maybe<B> = kept.map(|kept| kept.into_primitive());
        match Sequence.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state =
                    run::<B>(projected, Inputs::new(weight, beside, hidden, kept), walk, last);
                let output = state.output.clone();
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep
                .finish(B::recurrent_sequence(projected, weight, beside, hidden, kept, walk, last)),
        }
    }

    fn last_states(outputs: FloatTensor<Self>, last: Last) -> FloatTensor<Self> {
        let node = outputs.node();
        let states = B::last_states(outputs.into_primitive(), last.clone());
        match States.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(last, states),
            OpsKind::UnTracked(prep) => prep.finish(states),
        }
    }
}
