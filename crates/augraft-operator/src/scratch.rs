//! Buffers that live from batch to batch, and loops over samples on all threads.

use std::sync::{Mutex, PoisonError};

use ndarray::Array4;

/// Calls `each` for the pairs of samples and draws, on all threads.
pub fn parallel<S: Send, T: Sync>(samples: Vec<S>, draws: &[T], each: impl Fn(S, &T) + Sync) {
    use rayon::prelude::*;
    samples.into_par_iter().zip(draws).for_each(|(sample, draw)| each(sample, draw));
}

/// Buffers that live from batch to batch, so that the steady state allocates none.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<Vec<u8>>,
    floats: Vec<Vec<f32>>,
}

/// Buffers that threads share while a step runs.
#[derive(Debug)]
pub struct Buffers<T>(Mutex<Vec<Vec<T>>>);

impl<T> Buffers<T> {
    /// Hands `run` a buffer that no other thread has; its content is what its last user left.
    pub fn with<R>(&self, run: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let open = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = open().pop().unwrap_or_default();
        let result = run(&mut buffer);
        open().push(buffer);
        result
    }
}

/// Element types whose buffers are pooled.
pub trait Pooled: Copy + Default + Send + Sync + PartialEq + 'static {
    /// The pool of this type.
    fn pool(scratch: &mut Scratch) -> &mut Vec<Vec<Self>>;
}

impl Pooled for u8 {
    fn pool(scratch: &mut Scratch) -> &mut Vec<Vec<u8>> {
        &mut scratch.bytes
    }
}

impl Pooled for f32 {
    fn pool(scratch: &mut Scratch) -> &mut Vec<Vec<f32>> {
        &mut scratch.floats
    }
}

impl Scratch {
    /// A buffer of `len` elements with any content, reused where one is large enough.
    pub fn take<T: Pooled>(&mut self, len: usize) -> Vec<T> {
        let pool = T::pool(self);
        let fits = (0..pool.len()).filter(|&at| pool[at].capacity() >= len).min_by_key(|&at| pool[at].capacity());
        let mut buffer = fits.map(|at| pool.swap_remove(at)).unwrap_or_default();
        buffer.resize(len, T::default());
        buffer
    }

    /// Takes a buffer back.
    pub fn give<T: Pooled>(&mut self, buffer: Vec<T>) {
        T::pool(self).push(buffer);
    }

    /// Lends `run` one buffer per thread, each with room for `len` elements, and takes them back.
    pub fn lend<T: Pooled, R>(&mut self, len: usize, run: impl FnOnce(&Buffers<T>) -> R) -> R {
        let lent = (0..rayon::current_num_threads()).map(|_| self.take(len)).collect();
        let buffers = Buffers(Mutex::new(lent));
        let result = run(&buffers);
        buffers.0.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().for_each(|buffer| self.give(buffer));
        result
    }

    /// A dense batch of any content; the axes are samples, channels, rows, columns.
    pub fn take_dense<T: Pooled>(&mut self, [n, c, h, w]: [usize; 4]) -> Array4<T> {
        let buffer = self.take(n * c * h * w);
        Array4::from_shape_vec([n, c, h, w], buffer).expect("the buffer has as many elements as the shape")
    }

    /// Takes the buffer of a dense batch back.
    pub fn give_dense<T: Pooled>(&mut self, dense: Array4<T>) {
        let (buffer, _) = dense.into_raw_vec_and_offset();
        self.give(buffer);
    }
}
