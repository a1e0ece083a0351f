"""The public benchmark as a recipe: which test works, how they are arranged and disguised, what files they become."""
