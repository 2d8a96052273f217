//! Fetch from a server on this machine, which has to be allowed, and see what is refused.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use zeroid_fetch::{FetchError, FetchOptions, Fetcher, Roots, Want};

const WANT: Want<'_> = Want { media_types: &["application/json"], max_bytes: 64 * 1024 };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = async {
        let (mut stream, _) = listener.accept().await?;
        let _ = stream.read(&mut [0_u8; 1024]).await?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            .await
    };
    let url = format!("http://{address}/keys").parse()?;

    let strict = Fetcher::new(FetchOptions::new(Roots::of_system(), "".parse()?))?;
    assert_eq!(strict.get(&url, WANT).await, Err(FetchError::Insecure));
    let metadata = "https://169.254.169.254/latest/meta-data".parse()?;
    assert_eq!(strict.get(&metadata, WANT).await, Err(FetchError::Forbidden));

    let local = Fetcher::new(FetchOptions::new(Roots::of_system(), address.to_string().parse()?))?;
    let (fetched, served) = tokio::join!(local.get(&url, WANT), server);
    served?;
    assert_eq!(&fetched?.body[..], b"{}");
    Ok(())
}
