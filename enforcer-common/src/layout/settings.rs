//! Settings of the programs.

/// Settings that the programs read first. All zero: enforce, and deny by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Settings {
    /// Shifts all other fields.
    #[cfg(feature = "layout-next")]
    pub moved: u64,
    /// See [`Switches`].
    pub switches: Switches,
    /// Deepest level of a cgroup with an exception; 0 without exceptions.
    pub exception_level: u32,
    /// Number of policies applied; for display only, not used by the programs.
    pub generation: u64,
    /// Changes after each change that may revoke a grant: verified connections then look theirs up again.
    pub epoch: u64,
    /// DNS snooping.
    pub snooping: Snooping,
}

/// Settings of DNS snooping. All zero: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Snooping {
    /// How long a snooped address stays allowed, in nanoseconds, whatever its TTL: that may be forged.
    pub linger: u64,
    /// Cookie of a network namespace whose sockets are trusted like those of the initial one; 0 for none.
    pub network: u64,
    /// Whether answers are snooped (1 or 0).
    pub enabled: u32,
    /// Zero.
    pub reserved: u32,
}

impl Settings {
    /// Settings of policy number `generation`.
    pub fn new(
        switches: Switches,
        exception_level: u32,
        generation: u64,
        epoch: u64,
        snooping: Snooping,
    ) -> Self {
        Self {
            #[cfg(feature = "layout-next")]
            moved: u64::MAX,
            switches,
            exception_level,
            generation,
            epoch,
            snooping,
        }
    }
}

/// Mode, default and shortcuts in one word, so that a packet sees a change completely or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Switches(u32);

impl Switches {
    const AUDIT: u32 = 1;
    const DEFAULT_ALLOW: u32 = 2;
    const ALLOWED_OUTSIDE: u32 = 4;

    /// `audit`: report denials and let them pass. `default_allow`: allow what nothing protects. `allowed_outside`: some allowed addresses are outside the
    /// protected set, so unprotected addresses must be looked up as well.
    pub const fn new(audit: bool, default_allow: bool, allowed_outside: bool) -> Self {
        Self(
            (audit as u32 * Self::AUDIT)
                | (default_allow as u32 * Self::DEFAULT_ALLOW)
                | (allowed_outside as u32 * Self::ALLOWED_OUTSIDE),
        )
    }

    /// Whether denials are only reported.
    #[inline(always)]
    pub const fn audits(self) -> bool {
        self.0 & Self::AUDIT != 0
    }

    /// Whether unprotected addresses are allowed by default.
    #[inline(always)]
    pub const fn default_allows(self) -> bool {
        self.0 & Self::DEFAULT_ALLOW != 0
    }

    /// Whether an unprotected address is allowed whatever the other maps hold.
    #[inline(always)]
    pub const fn unprotected_needs_no_lookup(self) -> bool {
        self.0 & (Self::DEFAULT_ALLOW | Self::ALLOWED_OUTSIDE) == Self::DEFAULT_ALLOW
    }
}

const _: () = {
    assert!(
        size_of::<Settings>()
            == if cfg!(feature = "layout-next") {
                56
            } else {
                48
            }
    );
};
