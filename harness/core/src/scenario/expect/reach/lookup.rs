//! `lookup` and `resolvesTo`: a name server is reached when it gives the right answer.

use super::super::Reader;
use super::whom::Whom;
use crate::plan::{Lookup, Protocol, Wanted};
use crate::scenario::file::ReachFile;
use crate::scenario::names;
use crate::scenario::strict::{self, At};
use crate::wire::dns;

impl Reader<'_> {
    /// The name to be asked for; none where the item asks for none, or was refused.
    pub(super) fn lookup(
        &mut self,
        item: &At<ReachFile>,
        by: Option<Protocol>,
        to: Option<&Whom>,
        field: &str,
    ) -> Option<Lookup> {
        let file = &item.value;
        let Some(lookup) = &file.lookup else {
            if let Some(address) = &file.resolves_to {
                self.note(address, &format!("{field}.resolvesTo"), "goes with `lookup`: the name that is asked for");
            }
            return None;
        };
        let place = format!("{field}.lookup");
        if by.is_some_and(|by| by != Protocol::Udp) {
            self.note(lookup, &place, "names are asked for by `udp`");
        }
        if to.is_some_and(|to| !to.is_nobodys()) {
            self.note(lookup, &place, "the listeners of hosts and pods know no names; leave out who has the address");
        }
        let name = self.check(lookup, &place, dns::name(&lookup.value).map_err(|error| error.to_string()));
        let Some(address) = &file.resolves_to else {
            self.note(item, field, "`resolvesTo` is missing: any answer at all would do");
            return None;
        };
        // Of either family, whatever that of the name server is.
        let parsed = self.check(address, &format!("{field}.resolvesTo"), names::host_ip(&address.value));
        let source = strict::source(self.file, address);
        Some(Lookup { name: name?, resolves_to: Wanted { value: parsed?, source } })
    }
}
