// src/web/health.rs
//! Believes the network.

fn f(header: Option<&str>) -> &str {
    header.unwrap() // caught
}

#[cfg(test)]
mod tests {
    fn g(header: Option<&str>) -> &str {
        header.unwrap()
    }
}
