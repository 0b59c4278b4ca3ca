//! What runs in the kernel: hooks that read, count and announce. They decide nothing and drop nothing.
//!
//! TCP is seen at the socket ([`tcp`]), UDP where a process names its peer and where servers receive ([`udp`]), DNS answers on their way out of
//! the servers that give them ([`dns`]), SCTP by its first packets ([`sctp`]). All of them write to the same map
//! through [`count`]. `packets` is the other way to see UDP, on every packet; the agent has it as an option and
//! the benchmark compares the two.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![allow(internal_features)]
#![allow(unsafe_code)] // Reads context fields and map values through raw pointers: that is what BPF programs do.

mod address;
mod context;
mod count;
mod dns;
mod kernel;
mod maps;
mod packet;
mod packets;
mod sctp;
mod tcp;
mod udp;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program that could get here.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
