//! The steps that lead any older database to the schema of this program. Listed by hand: `sqlx::migrate!` would have SQLite
//! built a second time, for the compiler.

use std::sync::LazyLock;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Version, name and statements of each. What has been released never changes: databases remember its checksum.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
    (2, "calls", include_str!("../../migrations/sqlite/0002_calls.sql")),
    (3, "admin", include_str!("../../migrations/sqlite/0003_admin.sql")),
    (4, "account skeletons", include_str!("../../migrations/sqlite/0004_account_skeletons.sql")),
    (5, "nodes", include_str!("../../migrations/sqlite/0005_nodes.sql")),
];

pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let step = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.iter().map(step).collect())
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_step_under_its_own_number_and_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let named: Vec<String> =
            STEPS.iter().map(|(version, name, _)| format!("{version:04}_{}.sql", name.replace(' ', "_"))).collect();
        assert_eq!(named, files);
    }

    #[test]
    fn released_steps_are_what_databases_remember() {
        let sums: Vec<String> = MIGRATIONS
            .iter()
            .map(|step| step.checksum[..6].iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        assert_eq!(sums, ["5a18b3e6ca1e", "3091804eda0e", "320b213622b3", "20173eaeb735", "825322291800"]);
    }
}
