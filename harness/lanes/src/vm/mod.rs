//! The vm lane: the netns lane's scenes inside a virtual machine with a distribution's kernel.
//!
//! The guest boots Debian's own kernel from a small first root with the agent as its init (`images/vm`; the agent's mode
//! `guest`), and gives a private node to each session that comes over one of its channels. One machine serves many
//! scenarios and many processes: whoever needs it first starts it, everybody holds a lease on the channel in use, and it
//! switches itself off when nobody does. It is found again by a record in the state folder, under a key of all that it
//! was made from.
//!
//! | module | what is in it |
//! |---|---|
//! | [`lane`] | opening, and what the guest's kernel offers |
//! | `host` | what the lane needs of this host, and what it would install |
//! | [`settings`] | `images/vm/machine.yaml` |
//! | [`emulator`] | finding or installing qemu; its command line |
//! | [`kvm`] | whether KVM works here, tried with a deadline |
//! | [`given`] | what goes into the guest beside its disk: the agent and users' plugins |
//! | [`machine`] | starting the machine, finding it again, taking it down |
//! | [`channel`] | a session over a channel |

pub mod channel;
pub mod emulator;
pub mod given;
mod host;
pub mod kvm;
pub mod lane;
pub mod machine;
pub mod settings;

pub use lane::VmLane;
pub use machine::down;
