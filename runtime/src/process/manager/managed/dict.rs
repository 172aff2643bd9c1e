//! Dicts.

use super::{ManagerError, Reply, managed, nothing, number, verbs};
use crate::process::{
    Data,
    luggage::encode,
    manager::wire::{Ask, ask},
    packet::Packet,
};

managed! {
    /// A dict that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may have one. It
    /// remembers in which order its keys came.
    ///
    /// For keys or values of several types in one dict take [`Value`](crate::process::Value).
    ///
    /// Each verb is one question to the manager's process, and whole; see [`ManagedList`](super::ManagedList). Two keys are equal
    /// if they are encoded alike.
    ///
    /// # Cancel safety
    /// Of all verbs: a question that was sent may have been done, though nobody waited for the answer.
    ///
    /// ```
    /// use runtime::process::{Manager, Value};
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let dict = manager.dict::<Value, Value>([]).await?;
    ///     dict.insert("2".into(), 2.into()).await?;
    ///     dict.insert(0.25.into(), Value::None).await?;
    ///     assert_eq!(dict.get(&"2".into()).await?, Some(2.into()));
    ///     assert_eq!(dict.len().await?, 2);
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedDict<K, V>
}

impl<K: Data, V: Data> ManagedDict<K, V> {
    verbs! {
        /// Puts a value in, and gives the one that it takes the place of (`dict[key] = value`).
        ///
        /// # Errors
        /// [`ManagerError`].
        insert / blocking_insert(&self, key: K, value: V) -> Option<V> {
            ask(Ask::Update, [encode(&key)?, encode(&value)?]) => Reply::value
        }

        /// Puts entries in, all at once (`update`).
        ///
        /// # Errors
        /// [`ManagerError`].
        extend / blocking_extend(&self, entries: impl IntoIterator<Item = (K, V)>) -> () {
            ask(Ask::Update, encode_entries(entries)?) => nothing
        }

        /// A copy of a value.
        ///
        /// # Errors
        /// [`ManagerError`].
        get / blocking_get(&self, key: &K) -> Option<V> {
            ask(Ask::Look, [encode(key)?]) => Reply::value
        }

        /// A copy of a value; if there is none, `default` is put in before (`setdefault`).
        ///
        /// # Errors
        /// [`ManagerError`].
        get_or_insert / blocking_get_or_insert(&self, key: K, default: V) -> V {
            ask(Ask::SetDefault, [encode(&key)?, encode(&default)?]) => |reply| super::must(reply.value()?)
        }

        /// Takes a value out (`pop`).
        ///
        /// # Errors
        /// [`ManagerError`].
        remove / blocking_remove(&self, key: &K) -> Option<V> {
            ask(Ask::Take, [encode(key)?]) => Reply::value
        }

        /// Takes the entry out whose key came last (`popitem`).
        ///
        /// # Errors
        /// [`ManagerError`].
        pop / blocking_pop(&self) -> Option<(K, V)> {
            ask(Ask::TakeLast, []) => |reply| Ok(reply.pairs()?.pop())
        }

        /// Whether there is such a key.
        ///
        /// # Errors
        /// [`ManagerError`].
        contains_key / blocking_contains_key(&self, key: &K) -> bool {
            ask(Ask::Has, [encode(key)?]) => super::yes
        }

        /// How many entries there are.
        ///
        /// # Errors
        /// [`ManagerError`].
        len / blocking_len(&self) -> usize {
            ask(Ask::Len, []) => number
        }

        /// Whether there are none.
        ///
        /// # Errors
        /// [`ManagerError`].
        is_empty / blocking_is_empty(&self) -> bool {
            ask(Ask::Len, []) => |reply| Ok(reply.number() == 0)
        }

        /// Takes all entries out.
        ///
        /// # Errors
        /// [`ManagerError`].
        clear / blocking_clear(&self) -> () {
            ask(Ask::Clear, []) => nothing
        }

        /// Copies of all entries, as they are at one moment, in the order in which their keys came. They `collect` into any
        /// map.
        ///
        /// # Errors
        /// [`TooLong`](ManagerError::TooLong) if they are more than goes into one message, or another [`ManagerError`].
        items / blocking_items(&self) -> Vec<(K, V)> {
            ask(Ask::All, []) => Reply::pairs
        }

        /// Copies of all keys, in the order in which they came.
        ///
        /// # Errors
        /// As for [`items`](Self::items).
        keys / blocking_keys(&self) -> Vec<K> {
            ask(Ask::Keys, []) => Reply::values
        }

        /// Copies of all values, in the order in which their keys came.
        ///
        /// # Errors
        /// As for [`items`](Self::items).
        values / blocking_values(&self) -> Vec<V> {
            ask(Ask::Values, []) => Reply::values
        }
    }

    /// A copy of the dict, as it is at one moment, in whatever map it is to be.
    ///
    /// ```no_run
    /// # async fn copy(dict: runtime::process::ManagedDict<String, u32>) -> Result<(), runtime::process::ManagerError> {
    /// let map: std::collections::HashMap<_, _> = dict.to_map().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`items`](Self::items).
    pub async fn to_map<M: FromIterator<(K, V)>>(&self) -> Result<M, ManagerError> {
        Ok(self.items().await?.into_iter().collect())
    }

    /// [`to_map`](Self::to_map) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_to_map<M: FromIterator<(K, V)>>(&self) -> Result<M, ManagerError> {
        Ok(self.blocking_items()?.into_iter().collect())
    }

    /// Changes the value of a key, so that nobody comes in between: `f` makes the new one of a copy of the old one (`None`: there is
    /// none, or there is to be none). If somebody has changed it meanwhile, `f` begins anew.
    ///
    /// ```no_run
    /// # async fn count(words: runtime::process::ManagedDict<String, u32>) -> Result<(), runtime::process::ManagerError> {
    /// words.update(&"spam".to_owned(), |count| Some(count.unwrap_or(0) + 1)).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn update(
        &self,
        key: &K,
        mut f: impl FnMut(Option<V>) -> Option<V>,
    ) -> Result<(), ManagerError> {
        loop {
            let mut seen = self.proxy.call(ask(Ask::Inspect, [encode(key)?])).await?;
            let packet = changed(key, &mut seen, &mut f)?;
            if self.proxy.call(packet).await?.is_done() {
                return Ok(());
            }
        }
    }

    /// [`update`](Self::update) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_update(
        &self,
        key: &K,
        mut f: impl FnMut(Option<V>) -> Option<V>,
    ) -> Result<(), ManagerError> {
        loop {
            let mut seen = self.proxy.blocking_call(ask(Ask::Inspect, [encode(key)?]))?;
            let packet = changed(key, &mut seen, &mut f)?;
            if self.proxy.blocking_call(packet)?.is_done() {
                return Ok(());
            }
        }
    }
}

/// What to put in the place of what was seen.
fn changed<K: Data, V: Data>(
    key: &K,
    seen: &mut Reply,
    f: &mut impl FnMut(Option<V>) -> Option<V>,
) -> Result<Packet, ManagerError> {
    let changes = seen.number() as u64;
    let mut parcels = vec![encode(key)?];
    if let Some(value) = f(seen.value()?) {
        parcels.push(encode(&value)?);
    }
    Ok(ask(Ask::Revise { changes }, parcels))
}

/// Key, value, key, value …, each as a parcel.
pub(in crate::process::manager) fn encode_entries<K: Data, V: Data>(
    entries: impl IntoIterator<Item = (K, V)>,
) -> Result<Vec<Packet>, ManagerError> {
    let mut parcels = Vec::new();
    for (key, value) in entries {
        parcels.push(encode(&key)?);
        parcels.push(encode(&value)?);
    }
    Ok(parcels)
}
