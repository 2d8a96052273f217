//! The unmodified Python SDK against the real binary.

use zeroid_tests::{Server, run_python};

#[test]
fn mission_scenario_1_autonomous_security_response() {
    run_python(&Server::start(), "scenario_1.py");
}

#[test]
fn mission_scenario_1_as_it_is_printed() {
    run_python(&Server::start(), "scenario_1_routes.py");
}

#[test]
fn mission_scenario_2_developer_authorizes_a_coding_agent() {
    run_python(&Server::start(), "scenario_2.py");
}

#[test]
fn the_sdk_lives_its_whole_life_cycle() {
    run_python(&Server::start(), "life_cycle.py");
}

#[test]
fn an_agent_enrols_a_key_of_its_own() {
    run_python(&Server::start(), "own_key.py");
}
