//! Many at once.

use bollard::models::{Mount, MountTypeEnum};
use futures_util::future;

use super::*;
use crate::engine::Removal;

#[tokio::test]
async fn fifty_containers_at_once_come_and_go() {
    let Some(host) = host() else { return };
    let engine = at(&host).await;
    let label = format!("test.many={}", ProcessIdentity::own().pid);
    let by = Instant::now() + Duration::from_mins(2);
    let one = async || {
        let name = Name::new();
        let mut body = body(&["sh", "-c", "exit 3"]);
        let (key, value) = label.split_once('=').unwrap();
        body.labels = Some([(key.to_owned(), value.to_owned())].into());
        let mount =
            Mount { typ: Some(MountTypeEnum::VOLUME), target: Some("/data".into()), ..Mount::default() };
        body.host_config.as_mut().unwrap().mounts = Some(vec![mount]);
        let id = engine.create(&name.0, body, by).await.unwrap();
        engine.init(&id, by).await.unwrap();
        let seen = engine.inspect(&id, by).await.unwrap().unwrap();
        engine.start(&id, by).await.unwrap();
        // Whoever lists meanwhile sees some of them go.
        engine.labelled(&label, by).await.unwrap();
        assert_eq!(engine.ended(&id).await.unwrap(), 3);
        assert_eq!(engine.remove(&id, by).await.unwrap(), Removal::Removed);
        assert!(engine.inspect(&id, by).await.unwrap().is_none());
        without_volume(&engine, &seen.volumes[0].name).await;
    };
    future::join_all((0..50).map(|_| one())).await;
    assert!(engine.labelled(&label, by).await.unwrap().is_empty());
}
