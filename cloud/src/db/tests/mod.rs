//! Databases of tests' own: in a folder by SQLite, or, where [`cluster::URL`] is set, in a schema of
//! the server that it names.

pub(crate) mod cluster;

use std::path::PathBuf;

use super::*;

/// A folder of a test's own, gone when it ends, and a database that belongs to it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringside-cloud-{}-{turn}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub(crate) fn open(&self) -> Db {
        self.try_open().expect("a database")
    }

    pub(crate) fn try_open(&self) -> Result<Db> {
        Db::open_at(&self.place(), &self.0)
    }

    /// Where this folder's database is.
    pub(crate) fn place(&self) -> Place {
        match std::env::var(cluster::URL) {
            Ok(url) => Place::Server(self.server(&url)),
            Err(_) => Place::Folder,
        }
    }

    /// A schema on a server, named after this folder.
    fn server(&self, url: &str) -> Server {
        let name = self.0.file_name().and_then(|name| name.to_str()).expect("a name");
        let schema = name.replace('-', "_");
        let whole = Server::parse(url).expect("an address");
        let config = postgres::config(&whole.0).expect("an address");
        let session = postgres::Session::new(config);
        session.run(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).expect("a schema");
        Server::parse(&format!("{url}&options=-csearch_path%3D{schema}")).expect("an address")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind fails no test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until something is so, for half a minute at most.
pub(crate) fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed().as_secs() < 30, "{what}: not within 30 s");
        std::thread::sleep(core::time::Duration::from_millis(5));
    }
}

/// Whether the tests run over PostgreSQL: what is SQLite's own is then not asked.
pub(crate) fn is_postgres() -> bool {
    std::env::var_os(cluster::URL).is_some()
}

#[test]
fn a_failed_transaction_leaves_nothing() {
    let folder = Folder::new();
    let db = folder.open();
    let failed: Result<()> = db.write(|tx| {
        tx.execute("INSERT INTO secret VALUES ('x', x'00')", [])?;
        Err(DbError::Damaged("test"))
    });
    assert!(failed.is_err());
    let rows: i64 = db
        .reader()
        .query_row("SELECT count(*) FROM secret", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(rows, 0);
}
