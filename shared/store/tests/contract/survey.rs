//! Every account is read once, wherever a page ends.

use std::collections::BTreeSet;

use postern_domain::account::Account;
use postern_store::{StoreError, Survey};

use crate::tables::{ACCOUNTS, Tables};

/// The accounts that pages of `items` items bring, and how many items were passed over.
async fn survey(tables: &Tables, items: i32) -> Result<(Vec<Account>, usize), StoreError> {
    let mut survey = Survey::new(tables.client.clone(), ACCOUNTS);
    let (mut accounts, mut passed) = (Vec::new(), 0);
    while let Some(page) = survey.next(items).await? {
        assert!(page.items <= u64::try_from(items).unwrap(), "a page of {} items", page.items);
        accounts.extend(page.accounts);
        passed += usize::try_from(page.items).unwrap();
    }
    assert!(survey.next(items).await?.is_none(), "it begins anew");
    Ok((accounts, passed))
}

#[tokio::test]
async fn every_account_is_read_once_wherever_a_page_ends() {
    let tables = Tables::new().await;
    let mut expected = BTreeSet::new();
    for number in 1..=3 {
        let everyone = [
            tables.registered(number * 10).await,
            tables.enrolled(number * 10 + 1).await,
            tables.with_password(number * 10 + 2).await,
            tables.with_everything(number * 10 + 3).await,
        ];
        expected.extend(everyone.map(|(account, _)| account.id));
    }
    let items = tables.contents().await.keys().filter(|(table, ..)| *table == ACCOUNTS).count();
    for page in [1, 2, 3, 5, 7, 1000] {
        let (accounts, passed) = survey(&tables, page).await.unwrap();
        assert_eq!(passed, items, "pages of {page}");
        assert_eq!(accounts.len(), expected.len(), "pages of {page}");
        for account in &accounts {
            assert_eq!(*account, tables.account(&account.id).await, "pages of {page}");
        }
        assert_eq!(accounts.into_iter().map(|account| account.id).collect::<BTreeSet<_>>(), expected);
    }
}

#[tokio::test]
async fn a_part_of_an_account_is_no_account() {
    let tables = Tables::new().await;
    assert!(survey(&tables, 10).await.unwrap().0.is_empty(), "an empty table");
    let (account, _) = tables.enrolled(1).await;
    let id = account.id.as_str().to_owned();
    let key = [("pk", id.as_str()), ("sk", "PROFILE")]
        .map(|(name, value)| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned())));
    tables.client.delete_item().table_name(ACCOUNTS).set_key(Some(key.into())).send().await.unwrap();
    let refused = survey(&tables, 10).await;
    assert!(matches!(refused, Err(StoreError::Corrupt("an account without a profile"))), "{refused:?}");
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_as_such() {
    let tables = Tables::new().await;
    let mut survey = Survey::new(tables.client.clone(), "Nowhere");
    let described = survey.items().await.unwrap_err().to_string();
    let scanned = survey.next(10).await.unwrap_err().to_string();
    for (said, operation) in [(described, "DescribeTable"), (scanned, "Scan")] {
        assert!(said.contains(operation) && said.contains("ResourceNotFoundException"), "{said}");
    }
    let there = Survey::new(tables.client.clone(), ACCOUNTS).items().await.unwrap();
    assert_eq!(there, 0);
}
