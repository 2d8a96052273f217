//! OAuth forms, JSON bodies and metadata documents, converted to and from the domain.
