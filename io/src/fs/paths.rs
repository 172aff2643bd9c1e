//! What is done to names: making, moving, removing and asking.

use super::{
    cached::{self, poll_turn},
    error::explain,
    job::{run, run_on},
};
use std::{
    fs::{self, Metadata, Permissions},
    future::poll_fn,
    io,
    os::unix,
    path::{Path, PathBuf},
};

/// Runs `op` with two paths; its error names both.
pub(super) async fn run_on_two<T: Send + 'static>(
    action: &'static str,
    from: &Path,
    to: &Path,
    op: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (from, to) = (from.to_owned(), to.to_owned());
    run(move || {
        op(&from, &to).map_err(|error| {
            explain(action, Path::new(&format!("{} to {}", from.display(), to.display())), error)
        })
    })
    .await
}

/// Functions of one path, by their names in the standard library.
macro_rules! on_path {
    ($($(#[$doc:meta])* $name:ident($action:literal) -> $output:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        #[doc = concat!("What [`std::fs::", stringify!($name), "`] fails with; the message names the path.")]
        ///
        /// # Cancel safety
        /// Dropped before a thread has begun, it does nothing; after that it goes through.
        pub async fn $name(path: impl AsRef<Path>) -> io::Result<$output> {
            run_on($action, path.as_ref(), |path| fs::$name(path)).await
        }
    )*};
}

on_path! {
    /// Makes a folder. Its parent has to be there.
    create_dir("create the folder") -> ();
    /// Makes a folder and the folders above it that are missing. It may be there already.
    create_dir_all("create the folder") -> ();
    /// Removes an empty folder.
    remove_dir("remove the folder") -> ();
    /// Removes a folder and everything in it. Symbolic links are removed, not followed.
    remove_dir_all("remove the folder") -> ();
    /// Removes a name of a file. The file goes with its last name, once nobody has it open.
    remove_file("remove") -> ();
    /// The path without `.`, `..` and symbolic links. Everything it names has to exist.
    canonicalize("resolve") -> PathBuf;
    /// What a symbolic link says.
    read_link("read the link") -> PathBuf;
}

/// What is known about a file; a symbolic link is followed.
///
/// # Errors
/// What [`std::fs::metadata`] fails with; the message names the path.
///
/// # Cancel safety
/// Dropping it loses nothing.
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    ask(path.as_ref(), true).await
}

/// What is known about a file, or about a symbolic link itself.
///
/// # Errors
/// What [`std::fs::symlink_metadata`] fails with; the message names the path.
///
/// # Cancel safety
/// Dropping it loses nothing.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    ask(path.as_ref(), false).await
}

async fn ask(path: &Path, follow: bool) -> io::Result<Metadata> {
    poll_fn(poll_turn).await;
    if let Some(metadata) = cached::metadata(path, follow) {
        return Ok(metadata);
    }
    let ask = move |path: &Path| {
        let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) }?;
        cached::learn_of(path, &metadata);
        Ok(metadata)
    };
    run_on("ask about", path, ask).await
}

/// Whether something is there. A symbolic link that leads nowhere is not.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// use runtime_io::fs;
/// let folder = std::env::temp_dir().join(format!("made-{}", std::process::id()));
/// fs::create_dir_all(folder.join("a/b")).await?;
/// fs::write(folder.join("a/b/c"), "text").await?;
/// fs::rename(folder.join("a/b/c"), folder.join("c")).await?;
/// assert!(fs::try_exists(folder.join("c")).await?);
/// assert!(!fs::try_exists(folder.join("a/b/c")).await?);
/// fs::remove_dir_all(&folder).await?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// If that cannot be found out, for want of permission, say; the message names the path.
///
/// # Cancel safety
/// Dropping it loses nothing.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match metadata(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets the permissions of a file; a symbolic link is followed.
///
/// # Errors
/// What [`std::fs::set_permissions`] fails with; the message names the path.
///
/// # Cancel safety
/// Dropped before a thread has begun, it does nothing; after that it goes through.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    run_on("set the permissions of", path.as_ref(), |path| fs::set_permissions(path, permissions)).await
}

/// Gives a file another name, on the same file system. What had that name before is replaced, in one step.
///
/// # Errors
/// What [`std::fs::rename`] fails with; the message names both paths.
///
/// # Cancel safety
/// Dropped before a thread has begun, it does nothing; after that it goes through.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    run_on_two("rename", from.as_ref(), to.as_ref(), |from, to| fs::rename(from, to)).await
}

/// Gives a file a further name, `link`, on the same file system.
///
/// # Errors
/// What [`std::fs::hard_link`] fails with; the message names both paths.
///
/// # Cancel safety
/// Dropped before a thread has begun, it does nothing; after that it goes through.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    run_on_two("link", original.as_ref(), link.as_ref(), |from, to| fs::hard_link(from, to)).await
}

/// Makes a symbolic link, at `link`, that says `original`.
///
/// # Errors
/// What [`std::os::unix::fs::symlink`] fails with; the message names both paths.
///
/// # Cancel safety
/// Dropped before a thread has begun, it does nothing; after that it goes through.
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    run_on_two("link", original.as_ref(), link.as_ref(), |from, to| unix::fs::symlink(from, to)).await
}
