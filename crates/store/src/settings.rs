//! Facts of the installation by name, such as its public signing key. Secrets come here encrypted or not at all.

use crate::{Tx, args};
use domain::Result;

pub async fn get(tx: &mut Tx, key: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = tx.maybe("select value from settings where key = $1", args![key]).await?;
    Ok(row.map(|(value,)| value))
}

pub async fn set(tx: &mut Tx, key: &str, value: &str) -> Result<()> {
    let sql = "insert into settings (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value";
    tx.run(sql, args![key, value]).await?;
    Ok(())
}

/// What is stored afterwards: the first of several processes wins.
pub async fn set_if_missing(tx: &mut Tx, key: &str, value: &str) -> Result<String> {
    let sql = "insert into settings (key, value) values ($1, $2) on conflict (key) do update set value = settings.value returning value";
    let (value,): (String,) = tx.one(sql, args![key, value]).await?;
    Ok(value)
}

pub async fn delete(tx: &mut Tx, key: &str) -> Result<()> {
    tx.run("delete from settings where key = $1", args![key]).await?;
    Ok(())
}
