//! Values that are as good as their bits: any 64 of them make one.

mod sealed {
    pub trait Sealed: Copy + 'static {
        fn to_bits(self) -> u64;
        fn from_bits(bits: u64) -> Self;
    }
}

pub(super) use sealed::Sealed;

/// What can lie in shared memory: numbers of up to 64 bits, `bool` and `char`. Nobody else can implement it, as any bits have to
/// make a value: other processes write them.
pub trait Plain: Sealed {}

/// What can be added up in shared memory.
pub trait Number: Plain {
    /// The sum; of integers without what does not fit.
    #[must_use]
    fn plus(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($name:ty)*) => {$(
        impl Sealed for $name {
            #[inline]
            fn to_bits(self) -> u64 {
                self as u64
            }
            #[inline]
            fn from_bits(bits: u64) -> Self {
                bits as Self
            }
        }
        impl Plain for $name {}
        impl Number for $name {
            #[inline]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

macro_rules! floats {
    ($($name:ty as $bits:ty)*) => {$(
        impl Sealed for $name {
            #[inline]
            fn to_bits(self) -> u64 {
                self.to_bits().into()
            }
            #[inline]
            fn from_bits(bits: u64) -> Self {
                Self::from_bits(bits as $bits)
            }
        }
        impl Plain for $name {}
        impl Number for $name {
            #[inline]
            fn plus(self, other: Self) -> Self {
                self + other
            }
        }
    )*};
}

floats!(f32 as u32 f64 as u64);

impl Sealed for bool {
    #[inline]
    fn to_bits(self) -> u64 {
        self.into()
    }
    #[inline]
    fn from_bits(bits: u64) -> Self {
        bits != 0
    }
}

impl Plain for bool {}

impl Sealed for char {
    #[inline]
    fn to_bits(self) -> u64 {
        self.into()
    }
    #[inline]
    fn from_bits(bits: u64) -> Self {
        u32::try_from(bits).ok().and_then(Self::from_u32).unwrap_or(Self::REPLACEMENT_CHARACTER)
    }
}

impl Plain for char {}
