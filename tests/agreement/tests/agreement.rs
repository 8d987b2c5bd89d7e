//! The repository agrees with itself, and the check notices when it does not.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use agreement::{Grant, Repository, Route, Test, Watched, disagreements};
use serde_json::{Value, json};

#[expect(clippy::unwrap_used, reason = "a test that cannot read the repository fails")]
static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Repository::read(&root).unwrap()
});

#[test]
fn everything_agrees() {
    let found = disagreements(&REPOSITORY);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Breaks one thing in a copy of what was read, and expects the check to name it.
#[track_caller]
fn expect(disagreement: &str, break_it: impl FnOnce(&mut Repository)) {
    let mut broken = REPOSITORY.clone();
    break_it(&mut broken);
    let before = disagreements(&REPOSITORY);
    let found: Vec<String> =
        disagreements(&broken).into_iter().filter(|line| !before.contains(line)).collect();
    assert!(found.iter().any(|line| line.contains(disagreement)), "{found:#?}");
}

#[test]
fn a_missing_event_is_noticed() {
    expect("no events/session-token.json", |copy| {
        copy.events.remove("session-token").unwrap();
    });
}

#[test]
fn a_missing_unauthenticated_case_is_noticed() {
    expect("no events/session-token.unauthenticated.json", |copy| {
        copy.events.remove("session-token.unauthenticated").unwrap();
    });
    expect("brings cookies", |copy| {
        let with_cookie = copy.events["session-token"].clone();
        copy.events.insert("session-token.unauthenticated".to_owned(), with_cookie);
    });
}

#[test]
fn a_missing_permission_is_noticed() {
    expect("kms:Decrypt TokenKey: in CALLS, not in SessionTokenRole", |copy| {
        let statements = copy.template.roles.get_mut("SessionTokenRole").unwrap();
        statements.retain(|statement| statement.sid != "OpenTokenKeys");
    });
}

#[test]
fn a_permission_without_need_is_noticed() {
    expect("dynamodb:Query Accounts: in SignOutRole, not in CALLS", |copy| {
        let statement =
            copy.template.roles["AccountViewRole"].iter().find(|it| it.sid == "Account").unwrap().clone();
        copy.template.roles.get_mut("SignOutRole").unwrap().push(statement);
    });
    expect("wider than it need be", |copy| {
        let statements = copy.template.roles.get_mut("SignOutRole").unwrap();
        for statement in statements {
            statement.conditions.clear();
        }
    });
    expect("RecoveryCodeKey: does not let RecoveryCodeDownloadRole kms:Decrypt", |copy| {
        copy.template.key_grants.retain(|(role, _)| role != "RecoveryCodeDownloadRole");
    });
}

/// What stands at `pointer` of a resource.
#[expect(clippy::unwrap_used, reason = "a test that cannot break what it wants to break fails")]
#[track_caller]
fn property<'r>(copy: &'r mut Repository, resource: &str, pointer: &str) -> &'r mut Value {
    copy.template.resources.get_mut(resource).unwrap().pointer_mut(pointer).unwrap()
}

/// A condition that holds too often is as good as none.
#[test]
fn a_weak_condition_is_noticed() {
    let weaken = |role: &str, sid: &str, key: &str, operator: &str, value: &str| {
        let (role, sid, key) = (role.to_owned(), sid.to_owned(), key.to_owned());
        let test = Test { operator: operator.to_owned(), values: [value.to_owned()].into() };
        move |copy: &mut Repository| {
            let statements = copy.template.roles.get_mut(&role).unwrap();
            let statement = statements.iter_mut().find(|it| it.sid == sid).unwrap();
            assert!(statement.conditions.insert(key, test).is_some());
        }
    };
    let leading = "dynamodb:LeadingKeys";
    let too_wide = "SignOutRole: Session: dynamodb:DeleteItem Attempts is wider than it need be";
    for (operator, value) in [
        ("ForAllValues:StringLike", "*"),
        ("ForAllValues:StringLike", "SESSION*"),
        ("ForAllValues:StringLike", "NOSUCH#*"),
        ("ForAllValues:StringLikeIfExists", "SESSION#*"),
        ("StringLike", "SESSION#*"),
    ] {
        expect(too_wide, weaken("SignOutRole", "Session", leading, operator, value));
    }
    let purpose = "kms:EncryptionContext:purpose";
    let too_wide = "SessionTokenRole: OpenTokenKeys: kms:Decrypt TokenKey is wider than it need be";
    for (operator, value) in
        [("StringLike", "token"), ("StringEquals", "keyring"), ("StringEqualsIfExists", "token")]
    {
        expect(too_wide, weaken("SessionTokenRole", "OpenTokenKeys", purpose, operator, value));
    }
    expect("SignOutRole: Session: dynamodb:Scan Attempts is wider than it need be", |copy| {
        let statements = copy.template.roles.get_mut("SignOutRole").unwrap();
        let statement = statements.iter_mut().find(|it| it.sid == "Session").unwrap();
        statement
            .grants
            .insert(Grant { action: "dynamodb:Scan".to_owned(), resource: "Attempts".to_owned() });
    });
}

/// Half of a transaction would be allowed by each.
#[test]
fn a_split_transaction_is_noticed() {
    expect("PhoneConfirmRole: dynamodb:UpdateItem Accounts stands in two statements", |copy| {
        let statements = copy.template.roles.get_mut("PhoneConfirmRole").unwrap();
        let both = statements.iter_mut().find(|it| it.sid == "AccountAndName").unwrap();
        let keys = &mut both.conditions.get_mut("dynamodb:LeadingKeys").unwrap().values;
        assert!(keys.remove("NAME#*"));
        let mut name = both.clone();
        name.conditions.get_mut("dynamodb:LeadingKeys").unwrap().values = ["NAME#*".to_owned()].into();
        statements.push(name);
    });
}

#[test]
fn a_key_that_serves_for_anything_is_noticed() {
    expect("TokenKey: Use lets the key be used for anything", |copy| {
        *property(copy, "TokenKey", "/Properties/KeyPolicy/Statement/1/Condition") = json!({});
    });
    expect("TokenKey: Administer lets the key be used for anything", |copy| {
        *property(copy, "TokenKey", "/Properties/KeyPolicy/Statement/0/Action") = "kms:*".into();
    });
    expect("OperationsKey: Logs lets the key be used for anything", |copy| {
        *property(copy, "OperationsKey", "/Properties/KeyPolicy/Statement/1/Condition") = json!({});
    });
    expect("KeyringKey: does not rotate", |copy| {
        *property(copy, "KeyringKey", "/Properties/EnableKeyRotation") = false.into();
    });
}

#[test]
fn a_route_without_a_limit_of_its_own_is_noticed() {
    let settings = "/Properties/RouteSettings";
    expect(
        "POST /v1/sign-in/password: in the routes that guess, send or hash, not in RouteSettings",
        |copy| {
            property(copy, "Api", settings)
                .as_object_mut()
                .unwrap()
                .remove("POST /v1/sign-in/password")
                .unwrap();
        },
    );
    expect("POST /v1/nowhere: in RouteSettings, not in the routes that guess, send or hash", |copy| {
        property(copy, "Api", settings)["POST /v1/nowhere"] = json!({});
    });
    expect("POST /v1/account/phones: sends, and is not limited by SendRequestsPerSecond", |copy| {
        property(copy, "Api", settings)["POST /v1/account/phones"]["ThrottlingRateLimit"] =
            json!({"Ref": "GuessesPerSecond"});
    });
    expect("VoiceCall: ReservedConcurrentExecutions is not that of Some(\"SenderConcurrency\")", |copy| {
        *property(copy, "VoiceCall", "/Properties/ReservedConcurrentExecutions") = Value::Null;
    });
}

/// A date that is moved, and reaches no function.
#[test]
fn a_setting_that_is_not_published_is_noticed() {
    expect("Policy: another SetUpRequiredFrom would not be published: it is not in Settings", |copy| {
        let content = property(copy, "Settings", "/Properties/Content/Fn::Sub");
        *content = content.as_str().unwrap().replace("${SetUpRequiredFrom}", "").into();
    });
    expect("Policy: no new version with other settings", |copy| {
        *property(copy, "Policy", "/Properties/VersionDescription") = "the first".into();
    });
    expect("the functions do not change with the settings", |copy| {
        *copy.template.globals.pointer_mut("/Function/Environment").unwrap() = Value::Null;
    });
    expect("NoAlarm: undoes deployments, and is no alarm", |copy| {
        let alarms =
            copy.template.globals.pointer_mut("/Function/DeploymentPreference/Alarms/Fn::If/1").unwrap();
        alarms.as_array_mut().unwrap().push(json!({"Ref": "NoAlarm"}));
    });
}

#[test]
fn an_alarm_that_nobody_understands_is_noticed() {
    expect("SendSurgeAlarm: in the alarms, not in RUNBOOK.md", |copy| {
        copy.runbook.remove("SendSurgeAlarm").unwrap();
    });
    expect("GoneAlarm: in RUNBOOK.md, not in the alarms", |copy| {
        copy.runbook.insert("GoneAlarm".to_owned(), String::new());
    });
    expect("RUNBOOK.md: SendSurgeAlarm: no **Do.**", |copy| {
        let entry = copy.runbook.get_mut("SendSurgeAlarm").unwrap();
        *entry = entry.replace("**Do.**", "");
    });
    expect("SendSurgeAlarm: AlarmActions tells nobody", |copy| {
        *property(copy, "SendSurgeAlarm", "/Properties/AlarmActions") = json!([]);
    });
    expect("SendSurgeAlarm: does not say where in the runbook it stands", |copy| {
        *property(copy, "SendSurgeAlarm", "/Properties/AlarmDescription") = "Codes go out.".into();
    });
}

#[test]
fn a_log_that_is_kept_for_ever_is_noticed() {
    expect("SignOutLog: is kept for ever or without a key", |copy| {
        *property(copy, "SignOutLog", "/Properties/KmsKeyId") = Value::Null;
    });
}

/// The one text of the template that is JSON within YAML: `CloudFormation` takes it with whatever is wrong in it.
#[test]
fn the_dashboard_is_json() {
    let dashboard =
        REPOSITORY.template.resources["Dashboard"].pointer("/Properties/DashboardBody/Fn::Sub").unwrap();
    let body: Value = serde_json::from_str(dashboard.as_str().unwrap()).unwrap();
    let widgets = body["widgets"].as_array().unwrap();
    let places: BTreeSet<_> =
        widgets.iter().map(|widget| (widget["x"].as_u64(), widget["y"].as_u64())).collect();
    assert_eq!(places.len(), widgets.len(), "two widgets in one place");
    assert!(widgets.len() > 15, "{} widgets", widgets.len());
}

#[test]
fn what_fails_and_is_lost_is_noticed() {
    expect("VoiceCall: what fails does not go to VoiceCallFailed", |copy| {
        copy.template.functions.get_mut("VoiceCall").unwrap().failed = None;
    });
    expect("VoiceCall: what VoiceCodes cannot hand over does not get to VoiceCallFailed", |copy| {
        copy.template.queues_of_topics.clear();
    });
    expect("sqs:SendMessage VoiceCallFailed: in what Lambda needs, not in VoiceCallRole, platform", |copy| {
        let statements = copy.template.roles.get_mut("VoiceCallRole").unwrap();
        statements.retain(|statement| statement.sid != "Failed");
    });
}

#[test]
fn a_topic_that_takes_nothing_is_noticed() {
    expect("VoiceCodes: has no key that lets PhoneAddRole publish", |copy| {
        copy.template.key_grants_through.retain(|(_, grant)| grant.resource != "VoiceCodesKey");
    });
    expect("SecurityEvents: has no key that lets SecurityNoticesRole publish", |copy| {
        copy.template.topics.insert("SecurityEvents".to_owned(), None);
    });
}

/// A phone number has no ARN, and a lookup no resource: each is allowed for what it is and for nothing wider.
#[test]
fn what_is_no_resource_of_the_template_is_read() {
    let allowed = |role: &str| -> Vec<String> {
        let statements = REPOSITORY.template.roles[role].iter().filter(|it| it.policy == "calls");
        statements.flat_map(|it| &it.grants).map(ToString::to_string).collect()
    };
    for grant in ["sns:Publish PhoneNumbers", "sns:Publish VoiceCodes", "sms-voice:CarrierLookup *"] {
        assert!(allowed("PhoneAddRole").contains(&grant.to_owned()), "{grant}");
    }
    let calls = allowed("VoiceCallRole");
    assert!(calls.contains(&"sms-voice:SendVoiceMessage VoiceOriginationIdentity".to_owned()), "{calls:?}");
    expect("PhoneAddRole: SendText: sns:Publish * is wider than it need be", |copy| {
        let statements = copy.template.roles.get_mut("PhoneAddRole").unwrap();
        let text = statements.iter_mut().find(|it| it.sid == "SendText").unwrap();
        text.grants =
            [Grant { action: "sns:Publish".to_owned(), resource: "*".to_owned() }].into_iter().collect();
    });
}

#[test]
fn a_metric_that_nobody_counts_is_noticed() {
    let watch = |name: &str, dimensions: &[&str]| {
        let dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
        Watched { by: "SendSurge".to_owned(), name: name.to_owned(), dimensions }
    };
    for (name, dimensions, expected) in [
        ("Sendings", &[][..], "SendSurge: watches Sendings by [], which nobody counts"),
        ("Locks", &[], "SendSurge: watches Locks by [], which nobody counts"),
        ("Sends", &["Channel"], "SendSurge: watches Sends by [Channel], which nobody counts"),
    ] {
        expect(expected, |copy| {
            copy.template.watched.insert(watch(name, dimensions));
        });
    }
    let mut copy = REPOSITORY.clone();
    copy.template.watched.insert(watch("Sends", &[]));
    copy.template.watched.insert(watch("SignIns", &["Outcome", "Method"]));
    assert_eq!(disagreements(&copy), disagreements(&REPOSITORY));
}

#[test]
fn another_name_or_folder_is_noticed() {
    expect("SignOut: builds session-end", |copy| {
        copy.template.functions.get_mut("SignOut").unwrap().binary = "session-end".to_owned();
    });
    expect("SignOut: is built in another folder", |copy| {
        copy.template.functions.get_mut("SignOut").unwrap().code =
            Some("../functions/session-end".to_owned());
    });
    expect("functions/sign-out: the package is named signout", |copy| {
        copy.sources.get_mut("sign-out").unwrap().package = "signout".to_owned();
    });
}

/// IAM holds every part of a transaction against the partition that it concerns.
#[test]
fn a_role_is_held_to_its_partitions() {
    let allows = |role: &str, call: &str, key: &str| {
        REPOSITORY.template.roles[role].iter().any(|statement| statement.allows(call, key))
    };
    assert!(allows("PasskeyEnrolRole", "dynamodb:PutItem Accounts", "CREDENTIAL#x"));
    assert!(allows("SessionTokenRole", "dynamodb:Query Accounts", "KEYS"));
    assert!(!allows("SessionTokenRole", "dynamodb:Query Accounts", "KEYS2"));
    assert!(!allows("PasskeyEnrolRole", "dynamodb:PutItem Accounts", "KEYS"));
    assert!(!allows("PasskeyEnrolRole", "dynamodb:DeleteItem Accounts", "acc_x"));
}

#[test]
fn a_foreign_role_is_noticed() {
    expect("its role is not SignOutRole", |copy| {
        copy.template.functions.get_mut("SignOut").unwrap().role = Some("AccountViewRole".to_owned());
    });
}

#[test]
fn variables_missing_and_unread_are_noticed() {
    expect("TOKEN_KEY: in its main, not in SessionToken's environment", |copy| {
        copy.template.functions.get_mut("SessionToken").unwrap().variables.remove("TOKEN_KEY").unwrap();
    });
    expect("TOKEN_KEY: in SignOut's environment, not in its main", |copy| {
        let key = copy.template.functions["SessionToken"].variables["TOKEN_KEY"].clone();
        copy.template.functions.get_mut("SignOut").unwrap().variables.insert("TOKEN_KEY".to_owned(), key);
    });
    expect("ATTEMPTS_TABLE is written out", |copy| {
        let variables = &mut copy.template.functions.get_mut("SignOut").unwrap().variables;
        variables.insert("ATTEMPTS_TABLE".to_owned(), "Attempts".into());
    });
}

#[test]
fn routes_that_differ_are_noticed() {
    let session = || Route { method: "DELETE".to_owned(), path: "/v1/session".to_owned() };
    expect("DELETE /v1/session: in the template, not in openapi.yaml", |copy| {
        copy.openapi.operations.remove(&session()).unwrap();
    });
    expect("DELETE /v1/session -> sign-out: in the template, not in the routes table", |copy| {
        copy.routes.remove(&session()).unwrap();
    });
    expect("DELETE /v1/session -> sign-out: in the routes table, not in the template", |copy| {
        copy.template.functions.get_mut("SignOut").unwrap().routes.clear();
    });
    expect(
        "DELETE /v1/session -> sign-out: in the template, not in the router of cargo lambda watch",
        |copy| {
            copy.watch.remove(&session()).unwrap();
        },
    );
    expect("0 functions take $default", |copy| {
        copy.template.functions.get_mut("Fallback").unwrap().default_route = false;
    });
}

#[test]
fn an_event_that_is_not_as_the_gateway_sends_it_is_noticed() {
    expect("/rawPath and /requestContext/http/path differ", |copy| {
        copy.events.get_mut("policy").unwrap().0["rawPath"] = "/v1/elsewhere".into();
    });
    expect("is not a route of policy", |copy| {
        let other = copy.events["jwks"].clone();
        copy.events.insert("policy.other".to_owned(), other);
    });
    expect("of no function", |copy| {
        let other = copy.events["jwks"].clone();
        copy.events.insert("nobody".to_owned(), other);
    });
}

#[test]
fn an_undocumented_function_is_noticed() {
    expect("sign-out: in the template, not in functions/", |copy| {
        copy.sources.remove("sign-out").unwrap();
    });
    expect("declares no CALLS", |copy| {
        copy.sources.get_mut("sign-out").unwrap().calls = None;
    });
}
