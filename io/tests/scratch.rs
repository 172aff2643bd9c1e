mod support;
use support::*;
#[test]
fn sizes_and_echo() {
    println!("TcpStream {}", std::mem::size_of::<runtime_io::net::TcpStream>());
    run_with(|reactor| async move {
        let (a, b) = pair().await;
        a.write_all(b"hello").await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(b.read(&mut buf).await.unwrap(), 5);
        println!("{reactor:?}");
        let mut buf2=[0u8;64];
        println!("read fut {}", std::mem::size_of_val(&a.read(&mut buf2)));
        println!("accept fut write_all {}", std::mem::size_of_val(&a.write_all(b"")));
    });
}
