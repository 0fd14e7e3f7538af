use seawall_sim::*;
fn main() {
    let s: Scenario<SeawallLog> =
        Scenario::from_json(&std::fs::read_to_string("/tmp/sc.json").unwrap()).unwrap();
    println!("{:?}", play(&s, None).err());
}
