//! The vm lane: the netns lane's scenarios inside a virtual machine with a distribution's kernel.
//!
//! The guest boots Debian's own kernel from a small first root with the agent as its init (`images/vm`; the agent's mode
//! `guest`), and gives a private node to each session on one of its channels. One machine serves many scenarios
//! and many processes. The first process that needs it starts it. Each session holds a lease on its channel. The machine
//! powers off when no session is left. Its record in the state folder is named by a key of everything that the
//! machine is made from.
//!
//! | module | what is in it |
//! |---|---|
//! | [`lane`] | opening the lane, and the capabilities of the guest's kernel |
//! | `host` | checks of this host, and the software that the lane would install |
//! | [`settings`] | `images/vm/machine.yaml` |
//! | [`emulator`] | finding or installing qemu; its command line |
//! | [`kvm`] | whether KVM works here, tried with a deadline |
//! | [`first_root`] | the guest's first root: the agent and users' plugins |
//! | [`machine`] | starting the machine, finding it again, taking it down |
//! | [`channel`] | a session over a channel |

pub mod channel;
pub mod emulator;
pub mod first_root;
mod host;
pub mod kvm;
pub mod lane;
pub mod machine;
pub mod settings;

pub use lane::VmLane;
pub use machine::down;
