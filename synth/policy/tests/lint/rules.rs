//! Rules that do nothing, or not what they say.

use super::world::{World, member};
use netwright_policy::Protocol::Tcp;

fn to(rules: &str) -> String {
    format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{rules}]}}")
}

#[test]
fn rules_that_are_ignored_are_told() {
    let world = World::default();
    let spec = "{podSelector: {}, policyTypes: [Ingress], egress: [{ports: [{port: 53}]}]}";
    assert_eq!(world.find("ignored-rules", spec), ["spec.egress: is ignored, since policyTypes does not hold Egress"]);
    assert!(
        world.find("ignored-rules", "{podSelector: {}, egress: [{ports: [{port: 53}]}]}").is_empty(),
        "by default both"
    );
    assert!(world.find("ignored-rules", "{podSelector: {}, policyTypes: [Ingress], egress: []}").is_empty());
}

#[test]
fn a_rule_that_a_wider_one_covers_is_told() {
    let found = |rules: &str| World::default().find("shadowed-rule", &to(rules));
    let cart = "to: [{podSelector: {matchLabels: {app: cart}}}]";
    let told = ["spec.egress[0]: admits nothing that is not admitted by: spec.egress[1]"];
    assert_eq!(found(&format!("{{{cart}, ports: [{{port: 80}}]}}, {{{cart}}}")), told);
    assert_eq!(
        found(&format!(
            "{{{cart}, ports: [{{port: 80}}]}}, {{to: [{{podSelector: {{}}}}], ports: [{{port: 1, endPort: 90}}]}}"
        )),
        told
    );
    assert_eq!(found("{ports: [{port: web}]}, {ports: [{port: web}, {port: 9}]}"), told);
    assert_eq!(found("{ports: [{port: web}]}, {ports: [{protocol: TCP}]}"), told);
    assert!(
        found(&format!("{{{cart}, ports: [{{port: 80}}]}}, {{{cart}, ports: [{{port: 80, protocol: UDP}}]}}"))
            .is_empty()
    );
    assert!(found("{ports: [{port: web}]}, {ports: [{port: 1, endPort: 65534}]}").is_empty(), "it may be 65535");
    let other = "to: [{podSelector: {matchLabels: {app: cart, tier: web}}}]";
    assert_eq!(found(&format!("{{{other}}}, {{{cart}}}")), told);
    assert!(found(&format!("{{{cart}, ports: [{{port: 80}}]}}, {{{other}}}")).is_empty());
}

#[test]
fn of_two_equal_rules_the_second_is_told() {
    let rules = "{ports: [{port: 80}]}, {ports: [{port: 80}]}";
    let told = "spec.egress[1]: admits nothing that is not admitted by: spec.egress[0]";
    assert_eq!(World::default().find("shadowed-rule", &to(rules)), [told]);
}

#[test]
fn a_block_in_a_block_is_told_unless_it_is_in_a_hole() {
    let found = |narrow: &str, wide: &str| {
        World::default().find("shadowed-rule", &to(&format!("{{to: [{{ipBlock: {narrow}}}, {{ipBlock: {wide}}}]}}")))
    };
    let told = "spec.egress[0].to[0]: admits nobody that is not admitted by: spec.egress[0].to[1]";
    assert_eq!(found("{cidr: 10.1.0.0/16}", "{cidr: 10.0.0.0/8}"), [told]);
    assert_eq!(found("{cidr: 10.1.0.0/16}", "{cidr: 10.0.0.0/8, except: [10.2.0.0/16]}"), [told]);
    assert_eq!(
        found("{cidr: 10.1.0.0/16, except: [10.1.1.0/24]}", "{cidr: 10.0.0.0/8, except: [10.1.1.0/24]}"),
        [told]
    );
    assert!(found("{cidr: 10.1.0.0/16}", "{cidr: 10.0.0.0/8, except: [10.1.1.0/24]}").is_empty());
    assert!(found("{cidr: 10.1.0.0/16}", "{cidr: 10.0.0.0/8, except: [10.0.0.0/9]}").is_empty());
}

/// That one selector lies in another is decided by the requirements alone; each way it can follow.
#[test]
fn a_selector_in_a_selector_is_told() {
    let found = |narrow: &str, wide: &str| {
        let peer = |expression: &str| format!("{{podSelector: {{matchExpressions: [{expression}]}}}}");
        !World::default().find("shadowed-rule", &to(&format!("{{to: [{}, {}]}}", peer(narrow), peer(wide)))).is_empty()
    };
    let (a, ab) = ("{key: k, operator: In, values: [a]}", "{key: k, operator: In, values: [a, b]}");
    let (not_a, not_ab) = ("{key: k, operator: NotIn, values: [a]}", "{key: k, operator: NotIn, values: [a, b]}");
    let (exists, absent) = ("{key: k, operator: Exists}", "{key: k, operator: DoesNotExist}");
    for (narrow, wide) in
        [(a, ab), (a, exists), (not_ab, not_a), (absent, not_a), ("{key: k, operator: In, values: [c]}", not_ab)]
    {
        assert!(found(narrow, wide), "{narrow} is in {wide}");
        assert!(found(wide, narrow), "the order does not matter");
    }
    for (one, other) in
        [(a, not_a), (exists, not_a), (exists, absent), (ab, not_a), (a, "{key: l, operator: In, values: [a]}")]
    {
        assert!(!found(one, other), "{one} and {other}");
    }
}

#[test]
fn half_a_connection_is_told() {
    let shop = World::shop();
    let cart = "{podSelector: {matchLabels: {app: cart}}, ingress: [{from: [{podSelector: {matchLabels: {app: FROM}}}], ports: [{port: PORT}]}]}";
    let front = "{podSelector: {matchLabels: {app: front}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: cart}}}], ports: [{port: 8080}]}]}";
    let found = |from: &str, port: &str| {
        let cart = cart.replace("FROM", from).replace("PORT", port);
        shop.find_in("half-connection", &[("cart", &cart), ("front", front)])
    };
    assert!(found("front", "8080").is_empty());
    assert!(found("front", "http").is_empty(), "the name is 8080 on cart");
    let out =
        "spec.egress[0].to[0]: lets out to pods whose own ingress policies do not let these in: shop/Deployment/cart";
    let in_ = "spec.ingress[0].from[0]: lets in pods whose own egress policies do not let them out to these: shop/Deployment/front";
    assert_eq!(found("front", "9090"), [in_, out]);
    assert_eq!(found("cart", "8080"), [out], "cart may talk to cart");
    assert!(shop.find_in("half-connection", &[("front", front)]).is_empty(), "cart is open");
}

#[test]
fn exceptions_of_everything_are_told() {
    let world = World::default();
    let spec = |except: &str| to(&format!("{{to: [{{ipBlock: {{cidr: 10.0.0.0/8, except: [{except}]}}}}]}}"));
    let told = "spec.egress[0].to[0].ipBlock: nothing is left of 10.0.0.0/8 after its exceptions";
    assert_eq!(world.find("except-everything", &spec("10.0.0.0/9, 10.128.0.0/9")), [told]);
    assert_eq!(world.find("except-everything", &spec("10.128.0.0/9, 10.0.0.0/10, 10.64.0.0/10")), [told]);
    assert!(world.find("except-everything", &spec("10.0.0.0/9, 10.128.0.0/10")).is_empty());
}

#[test]
fn an_exception_in_an_exception_is_told() {
    let world = World::default();
    let spec = |except: &str| to(&format!("{{to: [{{ipBlock: {{cidr: 10.0.0.0/8, except: [{except}]}}}}]}}"));
    let told = "spec.egress[0].to[0].ipBlock.except[0]: 10.1.1.0/24 is already excepted: 10.1.0.0/16";
    assert_eq!(world.find("except-repeated", &spec("10.1.1.0/24, 10.1.0.0/16")), [told]);
    assert!(world.find("except-repeated", &spec("10.1.1.0/24, 10.2.0.0/16")).is_empty());
}

#[test]
fn an_exception_that_another_block_admits_is_told() {
    let world = World::default();
    let block = "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}";
    let told =
        "spec.egress[0].to[0].ipBlock.except[0]: 10.0.0.0/8 is reached all the same, by: spec.egress[0].to[1].ipBlock";
    assert_eq!(
        world.find("except-readmitted", &to(&format!("{{to: [{block}, {{ipBlock: {{cidr: 8.0.0.0/5}}}}]}}"))),
        [told]
    );
    let holed = "{ipBlock: {cidr: 8.0.0.0/5, except: [10.0.0.0/7]}}";
    assert!(world.find("except-readmitted", &to(&format!("{{to: [{block}, {holed}]}}"))).is_empty());
    let part = "{ipBlock: {cidr: 10.1.0.0/16}}";
    assert!(
        world.find("except-readmitted", &to(&format!("{{to: [{block}, {part}]}}"))).is_empty(),
        "a part is on purpose"
    );
    let other_port = format!(
        "{{to: [{block}], ports: [{{port: 80}}]}}, {{to: [{{ipBlock: {{cidr: 8.0.0.0/5}}}}], ports: [{{port: 443}}]}}"
    );
    assert!(world.find("except-readmitted", &to(&other_port)).is_empty());
}

#[test]
fn a_closed_tunnel_of_an_ambient_mesh_is_told() {
    let mesh = World::shop().namespace("shop", &[("istio.io/dataplane-mode", "ambient")]);
    let ingress =
        |ports: &str| format!("{{podSelector: {{matchLabels: {{app: cart}}}}, ingress: [{{ports: [{ports}]}}]}}");
    let told = "spec: closes TCP 15008 to pods of an ambient mesh: shop/Deployment/cart";
    assert_eq!(mesh.find("ambient-mesh", &ingress("{port: 8080}")), [told]);
    assert!(mesh.find("ambient-mesh", &ingress("{port: 8080}, {port: 15008}")).is_empty());
    assert!(mesh.find("ambient-mesh", "{podSelector: {}}").is_empty(), "default-deny");
    assert!(World::shop().find("ambient-mesh", &ingress("{port: 8080}")).is_empty());
    let other = [("cart", ingress("{port: 8080}")), ("mesh", ingress("{port: 15008}"))];
    let other: Vec<(&str, &str)> = other.iter().map(|(name, spec)| (*name, spec.as_str())).collect();
    assert!(mesh.find_in("ambient-mesh", &other).is_empty(), "policies add up");
}

#[test]
fn one_family_of_the_internet_is_told_where_pods_have_both() {
    let dual = World::default().with(member("shop", "Deployment", "cart").at("10.244.0.1").at("fd00:244::1"));
    let spec = |blocks: &str| to(&format!("{{to: [{blocks}], ports: [{{port: 443}}]}}"));
    let told =
        "spec.egress[0].to[0].ipBlock: is for IPv4 alone, and these pods have IPv6 addresses too: shop/Deployment/cart";
    assert_eq!(dual.find("one-family", &spec("{ipBlock: {cidr: 0.0.0.0/0}}")), [told]);
    assert!(dual.find("one-family", &spec("{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}")).is_empty());
    let single = World::default().with(member("shop", "Deployment", "cart").at("10.244.0.1").port("web", Tcp, 80));
    assert!(single.find("one-family", &spec("{ipBlock: {cidr: 0.0.0.0/0}}")).is_empty());
}
