//! How messages are read off the wire: a request exactly, an answer as far as it is known here.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::wire;

/// How a message is read.
pub(crate) trait Read {
    /// Whether it must say nothing that is not known here.
    const EXACTLY: bool;
}

macro_rules! read {
    ($exactly:literal: $($message:ident),*) => {
        $(impl Read for wire::$message { const EXACTLY: bool = $exactly; })*
    };
}

read!(true: StatusRequest, FactsRequest, MissingBlobsRequest, PutBlobsRequest, PlanRequest);
read!(true: ApplyRequest, AttachRequest, CancelRequest, ConfirmRequest, PlanUndoRequest, UndoRequest, HealthRequest);
read!(false: StatusReply, FactsReply, MissingBlobsReply, PutBlobsReply, PlanReply, ApplyEvent, CancelReply, PlanUndoReply);
read!(true: AuditHeadRequest, AwaitFreeRequest, DriftRequest, LogRequest, UpgradeRequest, WhyRequest);
read!(true: ClientsRequest, AuthorizeRequest, RevokeRequest, SucceedRequest, SettleRequest);
read!(true: RenewRequest, FollowedRequest);
read!(true: MeetRequest, WelcomeRequest);
read!(false: MeetReply, WelcomeReply);
read!(false: ClientsReply, AuthorizeReply, RevokeReply, SucceedReply, SettleReply);
read!(false: RenewReply, FollowedReply);
read!(false: AuditHeadReply, AwaitFreeReply, DriftReply, LogReply, WhyReply, HealthReply, ConfirmReply);

/// prost, which passes over fields that it does not know. In a request such a field asks for
/// something that would not be done, so that the whole is refused (I5); an answer may come from a
/// newer target.
pub(crate) struct ExactCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ExactCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ExactCodec<T, U>
where
    T: Message + 'static,
    U: Message + Read + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ExactDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        ExactDecoder(ProstCodec::<T, U>::default().decoder())
    }
}

/// See [`ExactCodec`].
pub(crate) struct ExactDecoder<U>(ProstDecoder<U>);

impl<U: Message + Read + Default> Decoder for ExactDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let sent = bytes::Buf::remaining(buf);
        let read = self.0.decode(buf)?;
        // What was passed over is missing when the message is spelled again.
        let whole = |message: &U| message.encoded_len() == sent;
        if U::EXACTLY && !read.as_ref().is_some_and(whole) {
            let why =
                "the request says something that this hpt does not know; is it older than yours?";
            return Err(Status::invalid_argument(why));
        }
        Ok(read)
    }
}
