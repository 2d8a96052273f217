//! RFC 8725, RFC 7515, RFC 7523 §3, RFC 9449 §4.3: no forgery of an object that somebody else signs is taken anywhere.

use crate::forge::{forgeries, signed};
use crate::surfaces::{SURFACES, World, refused};

#[test]
fn rfc8725_section_3_1_no_forgery_is_taken_and_nobody_goes_where_a_header_points() {
    let world = World::new();
    for surface in SURFACES {
        let header = world.header(surface);
        let honest = || signed(&world.key, &header.to_string(), &world.claims(surface).to_string());
        let taken = |object: String| {
            let answer = world.present(surface, &object);
            assert_eq!(answer.status, 200, "{surface:?}: {answer:?}");
        };
        taken(honest());
        // Spaces change nothing: where a forgery has some, they are not why it is refused.
        let spaced = |json: String| json.replacen('{', "{  ", 1);
        let claims = world.claims(surface).to_string();
        taken(signed(&world.key, &spaced(header.to_string()), &spaced(claims)));
        let made = forgeries(&world.key, &header, &|| world.claims(surface), &world.trap);
        assert!(made.len() > 90, "{} forgeries", made.len());
        for (name, object) in made {
            refused(surface, &world.present(surface, &object), &name);
        }
        taken(honest());
    }
    world.trap.is_untouched();
}
