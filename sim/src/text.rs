//! Texts that stand for values in stored traces: written by `Display`, read by `FromStr`, and
//! what `serde` uses too.

use std::fmt;

/// A text that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownText {
    what: &'static str,
    text: String,
}

impl UnknownText {
    pub(crate) fn new(what: &'static str, text: &str) -> Self {
        Self { what, text: text.to_owned() }
    }
}

impl fmt::Display for UnknownText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} stands for no {}", self.text, self.what)
    }
}

impl std::error::Error for UnknownText {}

/// `Serialize` and `Deserialize` through `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// The words of an enum whose variants hold nothing.
macro_rules! words {
    ($what:literal, $type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every one, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::text::UnknownText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::text::UnknownText::new($what, text)),
                }
            }
        }

        crate::text::serde_as_text!($type);
    };
}

pub(crate) use {serde_as_text, words};

#[cfg(test)]
mod tests {
    use crate::{
        CallNoise, Counters, CrashKind, CrashPolicy, EIO, ENOSPC, EvictionBehaviour, FaultPlan,
        HurtKind, InFlight, Latency, Limits, Operation, Preset, SectorSize,
    };
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    fn goes_round<T: Display + FromStr + PartialEq + Debug>(value: &T)
    where
        T::Err: Debug,
    {
        let text = value.to_string();
        assert_eq!(&text.parse::<T>().unwrap(), value, "{text}");
        assert!(format!("{text}x").parse::<T>().ok().as_ref() != Some(value), "{text}");
        assert!("".parse::<T>().is_err());
    }

    #[test]
    fn every_value_is_read_from_its_text() {
        CrashKind::ALL.iter().for_each(goes_round);
        InFlight::ALL.iter().for_each(goes_round);
        SectorSize::ALL.iter().for_each(goes_round);
        EvictionBehaviour::ALL.iter().for_each(goes_round);
        Operation::ALL.iter().for_each(goes_round);
        Preset::ALL.iter().for_each(goes_round);
        HurtKind::ALL.iter().for_each(goes_round);
        CrashPolicy::every(5, 5).iter().for_each(goes_round);
        goes_round(&CrashPolicy::Garbage);
        goes_round(&CrashPolicy::Units(vec![0x1f, u64::MAX]));
        goes_round(&CrashPolicy::Units(Vec::new()));
        goes_round(&CallNoise { short_reads: 1, short_writes: 20, interrupted: 300 });
        let plan = FaultPlan::new(Operation::SyncData, EIO);
        goes_round(&plan);
        goes_round(&plan.clone().suffix("a:b=c.seg").after(3).times(9));
        goes_round(&plan.clone().lands().suffix("a:lands:on=.seg"));
        goes_round(&FaultPlan::new(Operation::Write, 71).suffix(""));
    }

    #[test]
    fn stored_traces_hold_the_same_texts() {
        let policies = vec![CrashPolicy::MissingOne(3), CrashPolicy::TornSectors];
        let stored = serde_json::to_string(&policies).unwrap();
        assert_eq!(stored, r#"["missing-one:3","torn-sectors"]"#);
        assert_eq!(serde_json::from_str::<Vec<CrashPolicy>>(&stored).unwrap(), policies);
        let error = serde_json::from_str::<Preset>("\"honest\"").unwrap_err().to_string();
        assert!(error.contains("\"honest\" stands for no preset"), "{error}");

        let parts = (Limits::bytes(7).quota().lifted_after(2), Latency::default());
        let stored = serde_json::to_string(&parts).unwrap();
        assert_eq!(serde_json::from_str::<(Limits, Latency)>(&stored).unwrap(), parts);
        let mut counters = Counters { torn: 4, ..Counters::default() };
        counters.planned.insert(Operation::SyncAll, 2);
        let stored = serde_json::to_string(&counters).unwrap();
        assert_eq!(serde_json::from_str::<Counters>(&stored).unwrap(), counters);
        assert_eq!(serde_json::from_str::<Counters>("{}").unwrap(), Counters::default());
    }

    #[test]
    fn texts_stay_what_they_are() {
        assert_eq!(CrashPolicy::MissingOne(3).to_string(), "missing-one:3");
        assert_eq!(CrashPolicy::Units(vec![31, 1]).to_string(), "units:1f.1");
        assert_eq!(SectorSize::Large.to_string(), "4096");
        let plan = FaultPlan::new(Operation::SyncDir, ENOSPC).suffix(".seg").after(2);
        assert_eq!(plan.to_string(), "sync-dir:enospc:after=2:times=1:on=.seg");
        assert_eq!(CallNoise::even(5).to_string(), "short-reads=5,short-writes=5,interrupted=5");
        let error = "sometimes".parse::<CrashKind>().unwrap_err();
        assert_eq!(error.to_string(), "\"sometimes\" stands for no kind of crash");
    }
}
