//! A user's history, page by page.
//!
//! What a user may see comes from two places: calls they have a part in, and calls in channels they are a member of. Each is read
//! off its own index from the newest down and no further than a page, so that a page costs the same with a hundred
//! calls behind it as with a million (filters on status or a partner read on until the page is full).

use control::{CallPage, HistoryQuery, StoreError};
use model::{CallId, Timestamp};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::rows::{self, CALL_COLUMNS};
use super::store_error;

/// Where a page begins: calls older than this.
type Before = Option<(Timestamp, CallId)>;

/// A page of a user's history, newest first.
pub(super) async fn page(pool: &SqlitePool, query: &HistoryQuery) -> Result<CallPage, StoreError> {
    let limit = query.limit.clamp(1, 100);
    let before = match query.before {
        // A call that is not there has nothing before it: the answer must not depend on whether it exists elsewhere.
        Some(id) => match created_at(pool, id).await? {
            Some(at) => Some((at, id)),
            None => return Ok(CallPage { calls: Vec::new(), next: None }),
        },
        None => None,
    };
    let mut sql = page_sql(query, before, limit + 1);
    let mut found = sql.build().fetch_all(pool).await.map_err(store_error)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let calls = rows::calls(pool, &found).await?;
    let next = calls.last().filter(|_| more).map(|call| call.id);
    Ok(CallPage { calls, next })
}

async fn created_at(pool: &SqlitePool, id: CallId) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = sqlx::query_scalar("SELECT created_at FROM calls WHERE id = ?")
        .bind(id.0)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    Ok(at.map(Timestamp))
}

fn page_sql(query: &HistoryQuery, before: Before, limit: usize) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(format!("SELECT {CALL_COLUMNS} FROM calls WHERE id IN ("));
    match &query.channel {
        Some(channel) => {
            sql.push("SELECT c.id FROM calls c WHERE c.channel_id = ").push_bind(channel.as_str().to_owned());
            sql.push(" AND (EXISTS (SELECT 1 FROM call_participants p WHERE p.call_id = c.id AND p.user_id = ");
            sql.push_bind(query.user.as_str().to_owned());
            sql.push(
                ") OR (c.in_channel = 1 AND EXISTS (SELECT 1 FROM channel_members m WHERE m.channel_id = c.channel_id",
            );
            sql.push(" AND m.user_id = ").push_bind(query.user.as_str().to_owned()).push(")))");
            narrow(&mut sql, query, before, limit);
        }
        None => {
            sql.push(
                "SELECT id FROM (SELECT c.id FROM call_participants part CROSS JOIN calls c ON c.id = part.call_id",
            );
            sql.push(" WHERE part.user_id = ").push_bind(query.user.as_str().to_owned());
            if let Some((at, id)) = before {
                sql.push(" AND (part.call_created_at, part.call_id) < (").push_bind(at.0);
                sql.push(", ").push_bind(id.0).push(")");
            }
            filter(&mut sql, query);
            sql.push(" ORDER BY part.call_created_at DESC, part.call_id DESC LIMIT ").push_bind(limit as i64);
            sql.push(") UNION SELECT inner_call.id FROM channel_members mine CROSS JOIN calls inner_call ON inner_call.id IN (");
            sql.push("SELECT c.id FROM calls c WHERE c.channel_id = mine.channel_id AND c.in_channel = 1");
            narrow(&mut sql, query, before, limit);
            sql.push(") WHERE mine.user_id = ").push_bind(query.user.as_str().to_owned());
        }
    }
    sql.push(") ORDER BY created_at DESC, id DESC LIMIT ").push_bind(limit as i64);
    sql
}

/// The rest of a query over `calls c` by channel: the page's beginning, filters, order and end.
fn narrow(sql: &mut QueryBuilder<Sqlite>, query: &HistoryQuery, before: Before, limit: usize) {
    if let Some((at, id)) = before {
        sql.push(" AND (c.created_at, c.id) < (").push_bind(at.0).push(", ").push_bind(id.0).push(")");
    }
    filter(sql, query);
    sql.push(" ORDER BY c.created_at DESC, c.id DESC LIMIT ").push_bind(limit as i64);
}

fn filter(sql: &mut QueryBuilder<Sqlite>, query: &HistoryQuery) {
    // Of two calls that met, the one that is left stands for both.
    sql.push(" AND c.merged_into IS NULL");
    if !query.statuses.is_empty() {
        sql.push(" AND c.status IN (");
        let mut list = sql.separated(", ");
        for status in &query.statuses {
            list.push_bind(status.number());
        }
        sql.push(")");
    }
    if let Some(with) = &query.with {
        sql.push(" AND EXISTS (SELECT 1 FROM call_participants other WHERE other.call_id = c.id AND other.user_id = ");
        sql.push_bind(with.as_str().to_owned()).push(")");
    }
}

#[cfg(test)]
mod tests {
    use model::{CallStatus, ChannelId, UserId};
    use sqlx::Row;

    use super::*;

    async fn plan(pool: &SqlitePool, sql: QueryBuilder<Sqlite>) -> Vec<String> {
        let text = format!("EXPLAIN QUERY PLAN {}", sql.sql().as_str());
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(pool).await.expect("the query is valid");
        rows.iter().map(|row| row.get::<String, _>("detail")).collect()
    }

    #[tokio::test]
    async fn every_form_of_the_history_is_read_off_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let store = crate::open(directory.path().join("stoa.db")).await.unwrap();
        let before = Some((Timestamp(1), CallId(uuid::Uuid::nil())));
        let everything = HistoryQuery {
            user: UserId::new("u").unwrap(),
            statuses: vec![CallStatus::Ended],
            channel: None,
            with: Some(UserId::new("w").unwrap()),
            before: None,
            limit: 20,
        };
        let plain = HistoryQuery { statuses: Vec::new(), with: None, ..everything.clone() };
        let in_channel = HistoryQuery { channel: Some(ChannelId::new("c").unwrap()), ..everything.clone() };
        for query in [&everything, &plain, &in_channel] {
            for begin in [None, before] {
                let steps = plan(&store.readers, page_sql(query, begin, 21)).await;
                for step in &steps {
                    let table_scan = step.starts_with("SCAN") && !step.contains("(subquery");
                    assert!(!table_scan, "reads a whole table: {step}\nin {steps:#?}");
                }
                let used = if query.channel.is_some() { "calls_by_channel" } else { "call_participants_history" };
                assert!(steps.iter().any(|step| step.contains(used)), "{used} is not used: {steps:#?}");
            }
        }
    }
}
