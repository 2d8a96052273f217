//! The ZeroID server: HTTP, settings, commands.
