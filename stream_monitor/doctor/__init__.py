"""Is everything there that the service needs? One finding after the other, each with what to do. It changes nothing."""
