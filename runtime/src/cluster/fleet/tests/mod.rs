//! Stories and walks of the fleet.
