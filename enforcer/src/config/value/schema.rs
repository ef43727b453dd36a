//! JSON schemas of the values, for the manual page.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{FromText, Located, Region, Regions, Text};

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The title is the kind of value as error messages name it.
impl<T: FromText> JsonSchema for Text<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        let (kind, _) = T::EXPECTED.split_once(" in quotes").unwrap();
        let (_article, kind) = kind.split_once(' ').unwrap();
        kind.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "title": Self::schema_name() })
    }
}

impl JsonSchema for Regions {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Regions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let listed = <Vec<Text<Region>>>::json_schema(generator);
        json_schema!({ "anyOf": [listed, { "const": "discover" }] })
    }
}
