use policy::{Deps, handle};
use postern_http::{Error, Frame, Settings, init_logging, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let deps = Deps { policy: settings.policy()? };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
