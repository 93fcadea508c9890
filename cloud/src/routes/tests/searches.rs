use super::*;
use crate::routes::MAX_SEARCHES;

fn search(name: &str, query: &str, is_common: bool) -> Value {
    serde_json::json!({ "name": name, "query": query, "is_common": is_common })
}

#[test]
fn searches_are_kept_by_a_person_and_by_the_customer() {
    let bench = Bench::new();
    let (admin, viewer) = (bench.log_in(&bench.ours.admin), bench.log_in(&bench.ours.viewer));
    let keep = |who: &Browser, it: &Value| bench.post_json(who, "/api/v1/searches", it);
    assert_eq!(keep(&admin, &search("Busy", "status=486&range=7d", true)).status, 201);
    assert_eq!(keep(&viewer, &search("Mine", "flag=one_way", false)).status, 201);
    assert_eq!(error(keep(&viewer, &search("All", "flag=nat", true))).1, "not_admin");
    let names = |who: &Browser| -> Vec<String> {
        let kept = bench.json(who, "/api/v1/searches");
        let kept = kept["searches"].as_array().expect("searches");
        kept.iter().map(|it| it["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(
        (names(&admin), names(&viewer)),
        (vec!["Busy".to_owned()], vec!["Busy".to_owned(), "Mine".to_owned()])
    );
    let them = bench.log_in(&bench.theirs.admin);
    assert!(names(&them).is_empty());
    // The same name again is the same search.
    assert_eq!(keep(&viewer, &search("Mine", "flag=nat", false)).status, 201);
    let kept = bench.json(&viewer, "/api/v1/searches");
    assert_eq!(kept["searches"][1]["query"], "flag=nat");
    let delete = |who: &Browser, at: usize| {
        let id = kept["searches"][at]["id"].as_str().expect("an id");
        bench.post(who, &format!("/api/v1/searches/{id}/delete")).status
    };
    assert_eq!((delete(&them, 0), delete(&viewer, 0), delete(&admin, 1)), (404, 403, 404));
    assert_eq!((delete(&viewer, 1), delete(&admin, 0)), (200, 200));
    assert!(names(&viewer).is_empty());
}

#[test]
fn a_search_without_a_name_or_that_is_none_is_refused() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    let long = "a".repeat(61);
    for wrong in [
        search("", "status=486", false),
        search(&long, "status=486", false),
        search("a\nb", "status=486", false),
        search("a", "status=%zz", false),
        search("a", &"a=1&".repeat(2000), false),
        search("a", "/calls?status=486", false),
        serde_json::json!({ "name": "a" }),
    ] {
        assert_eq!(bench.post_json(&us, "/api/v1/searches", &wrong).status, 400, "{wrong}");
    }
    for number in 0..MAX_SEARCHES {
        let kept = search(&number.to_string(), "status=486", false);
        assert_eq!(bench.post_json(&us, "/api/v1/searches", &kept).status, 201);
    }
    let more = bench.post_json(&us, "/api/v1/searches", &search("more", "status=486", false));
    assert_eq!(error(more).1, "too_many_searches");
    let again = bench.post_json(&us, "/api/v1/searches", &search("7", "status=487", false));
    assert_eq!(again.status, 201);
}
