//! Builds every rustls error that can be built here. The lists are written by hand, because rustls' enums may grow
//! and cannot be listed.

use std::sync::Arc;

use rustls::{
    CertRevocationListError, EncryptedClientHelloError, ExtendedKeyPurpose, InconsistentKeys, OtherError,
    pki_types::{AlgorithmIdentifier, ServerName, UnixTime},
};

use super::*;

/// Lists an enum's variants without fields, as values.
macro_rules! variants {
    ($enum:ident: $($variant:ident)+) => { [$($enum::$variant),+] };
}

fn every_error() -> Vec<Error> {
    let mut errors = vec![
        Error::InappropriateMessage { expect_types: vec![], got_type: rustls::ContentType::Alert },
        Error::InappropriateHandshakeMessage { expect_types: vec![], got_type: rustls::HandshakeType::Finished },
        Error::InvalidEncryptedClientHello(EncryptedClientHelloError::SniRequired),
        Error::NoCertificatesPresented,
        Error::UnsupportedNameType,
        Error::DecryptError,
        Error::EncryptError,
        Error::General("SomeDetail".into()),
        Error::FailedToGetCurrentTime,
        Error::FailedToGetRandomBytes,
        Error::HandshakeNotComplete,
        Error::PeerSentOversizedRecord,
        Error::NoApplicationProtocol,
        Error::BadMaxFragmentSize,
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
        Error::InvalidCertRevocationList(CertRevocationListError::BadSignature),
        Error::Other(OtherError(Arc::new(std::fmt::Error))),
    ];
    errors.extend(every_certificate_error().into_iter().map(Error::InvalidCertificate));
    errors.extend(every_message_error().into_iter().map(Error::InvalidMessage));
    errors.extend(every_incompatibility().into_iter().map(Error::PeerIncompatible));
    errors.extend(every_misbehaviour().into_iter().map(Error::PeerMisbehaved));
    // An alert is one byte, and every byte is an alert.
    errors.extend((0..=u8::MAX).map(|byte| Error::AlertReceived(Alert::from(byte))));
    errors
}

fn every_certificate_error() -> Vec<CertificateError> {
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
    let algorithm = || vec![AlgorithmIdentifier::from_slice(b"\x30\x03")];
    let mut errors = Vec::from(variants!(CertificateError:
        BadEncoding Expired NotValidYet Revoked UnhandledCriticalExtension UnknownIssuer UnknownRevocationStatus
        ExpiredRevocationList BadSignature NotValidForName InvalidPurpose InvalidOcspResponse
        ApplicationVerificationFailure));
    #[expect(deprecated, reason = "it may come nevertheless")]
    errors.push(CertificateError::UnsupportedSignatureAlgorithm);
    errors.extend([
        CertificateError::ExpiredContext { time, not_after: time },
        CertificateError::NotValidYetContext { time, not_before: time },
        CertificateError::ExpiredRevocationListContext { time, next_update: time },
        CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![1],
            supported_algorithms: algorithm(),
        },
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![2],
        },
        CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("example.com").unwrap(),
            presented: vec!["CamelCase.example.com".into()],
        },
        CertificateError::InvalidPurposeContext { required: ExtendedKeyPurpose::ServerAuth, presented: vec![] },
        CertificateError::Other(OtherError(Arc::new(std::fmt::Error))),
    ]);
    errors.extend(every_chain_error().map(other));
    errors
}

fn every_chain_error() -> impl Iterator<Item = webpki::Error> {
    use webpki::Error as E;
    let errors = variants!(E:
        BadDer BadDerTime CaUsedAsEndEntity CertRevoked EmptyEkuExtension EndEntityUsedAsCa ExtensionValueInvalid
        InvalidCertValidity InvalidCrlNumber InvalidNetworkMaskConstraint InvalidSerialNumber
        InvalidCrlSignatureForPublicKey InvalidSignatureForPublicKey IssuerNotCrlSigner MalformedDnsIdentifier
        MalformedExtensions MalformedNameConstraint MaximumNameConstraintComparisonsExceeded
        MaximumPathBuildCallsExceeded MaximumPathDepthExceeded MaximumSignatureChecksExceeded NameConstraintViolation
        PathLenConstraintViolated UnknownIssuer UnknownRevocationStatus UnsupportedCertVersion
        UnsupportedCriticalExtension UnsupportedCrlIssuingDistributionPoint UnsupportedCrlVersion UnsupportedDeltaCrl
        UnsupportedIndirectCrl UnsupportedNameType UnsupportedRevocationReason
        UnsupportedRevocationReasonsPartitioning);
    errors.into_iter()
}

fn other(err: webpki::Error) -> CertificateError {
    CertificateError::Other(OtherError(Arc::new(err)))
}

fn every_message_error() -> Vec<InvalidMessage> {
    let mut errors = Vec::from(variants!(InvalidMessage:
        CertificatePayloadTooLarge HandshakePayloadTooLarge InvalidCcs InvalidContentType InvalidCertificateStatusType
        InvalidCertRequest InvalidDhParams InvalidEmptyPayload InvalidKeyUpdate InvalidServerName MessageTooLarge
        MessageTooShort MissingKeyExchange NoSignatureSchemes UnknownProtocolVersion UnsupportedCompression
        UnsupportedCurveType EmptyTicketValue IllegalEmptyValue PreSharedKeyIsNotFinalExtension
        UnknownHelloRetryRequestExtension UnknownCertificateExtension));
    errors.extend([
        InvalidMessage::MissingData("SomeType"),
        InvalidMessage::TrailingData("SomeType"),
        InvalidMessage::UnexpectedMessage("SomeType"),
        InvalidMessage::IllegalEmptyList("SomeType"),
        InvalidMessage::DuplicateExtension(7),
    ]);
    errors
}

fn every_incompatibility() -> Vec<PeerIncompatible> {
    let mut errors = Vec::from(variants!(PeerIncompatible:
        EcPointsExtensionRequired ExtendedMasterSecretExtensionRequired IncorrectCertificateTypeExtension
        KeyShareExtensionRequired NamedGroupsExtensionRequired NoCertificateRequestSignatureSchemesInCommon
        NoCipherSuitesInCommon NoEcPointFormatsInCommon NoKxGroupsInCommon NoSignatureSchemesInCommon
        NullCompressionRequired ServerDoesNotSupportTls12Or13 ServerSentHelloRetryRequestWithUnknownExtension
        ServerTlsVersionIsDisabledByOurConfig SignatureAlgorithmsExtensionRequired SupportedVersionsExtensionRequired
        Tls12NotOffered Tls12NotOfferedOrEnabled Tls13RequiredForQuic UncompressedEcPointsRequired
        UnsolicitedCertificateTypeExtension));
    errors.push(PeerIncompatible::ServerRejectedEncryptedClientHello(None));
    errors
}

fn every_misbehaviour() -> impl IntoIterator<Item = PeerMisbehaved> {
    variants!(PeerMisbehaved:
        AttemptedDowngradeToTls12WhenTls13IsSupported BadCertChainExtensions CipherSuiteDifferedOnRetry
        DisallowedEncryptedExtension DuplicateClientHelloExtensions DuplicateEncryptedExtensions
        DuplicateHelloRetryRequestExtensions DuplicateNewSessionTicketExtensions DuplicateServerHelloExtensions
        DuplicateServerNameTypes EarlyDataAttemptedInSecondClientHello EarlyDataExtensionWithoutResumption
        EarlyDataOfferedWithVariedCipherSuite EchAcceptanceVariedAfterRetry HandshakeHashVariedAfterRetry
        IllegalHelloRetryRequestWithEmptyCookie IllegalHelloRetryRequestWithNoChanges
        IllegalHelloRetryRequestWithOfferedGroup IllegalHelloRetryRequestWithUnofferedCipherSuite
        IllegalHelloRetryRequestWithUnofferedNamedGroup IllegalHelloRetryRequestWithUnsupportedVersion
        IllegalHelloRetryRequestWithWrongSessionId IllegalHelloRetryRequestWithInvalidEch
        IllegalMiddleboxChangeCipherSpec IllegalTlsInnerPlaintext IncorrectBinder InvalidCertCompression
        InvalidMaxEarlyDataSize InvalidKeyShare KeyEpochWithPendingFragment KeyUpdateReceivedInQuicConnection
        MessageInterleavedWithHandshakeMessage MissingBinderInPskExtension MissingKeyShare
        MissingPskExtensionInSecondClientHello MissingPskModesExtension MissingQuicTransportParameters
        OfferedDuplicateCertificateCompressions OfferedDuplicateKeyShares OfferedEarlyDataWithOldProtocolVersion
        OfferedEmptyApplicationProtocol OfferedIncorrectCompressions PskExtensionMustBeLast
        PskExtensionWithMismatchedIdsAndBinders RefusedToFollowHelloRetryRequest
        RejectedEarlyDataInterleavedWithHandshakeMessage ResumptionAttemptedWithVariedEms
        ResumptionOfferedWithVariedCipherSuite ResumptionOfferedWithVariedEms
        ResumptionOfferedWithIncompatibleCipherSuite SelectedDifferentCipherSuiteAfterRetry SelectedInvalidPsk
        SelectedTls12UsingTls13VersionExtension SelectedUnofferedApplicationProtocol SelectedUnofferedCertCompression
        SelectedUnofferedCipherSuite SelectedUnofferedCompression SelectedUnofferedKxGroup SelectedUnofferedPsk
        SelectedUnusableCipherSuiteForVersion ServerEchoedCompatibilitySessionId
        ServerHelloMustOfferUncompressedEcPoints ServerNameDifferedOnRetry ServerNameMustContainOneHostName
        SignedKxWithWrongAlgorithm SignedHandshakeWithUnadvertisedSigScheme TooManyEmptyFragments
        TooManyKeyUpdateRequests TooManyRenegotiationRequests TooManyWarningAlertsReceived TooMuchEarlyDataReceived
        UnexpectedCleartextExtension UnsolicitedCertExtension UnsolicitedEncryptedExtension UnsolicitedSctList
        UnsolicitedServerHelloExtension WrongGroupForKeyShare UnsolicitedEchExtension)
}

/// Whether a word is code, which only a programmer knows: two words run together, or a struct's braces.
fn is_code(word: &str) -> bool {
    let letters: Vec<char> = word.chars().collect();
    let run_together = letters.windows(2).any(|pair| pair[0].is_lowercase() && pair[1].is_uppercase());
    (run_together && !matches!(word, "ChaCha20" | "KiB"))
        || word.contains(['{', '}', '[', ']', '_'])
        || word.contains("::")
}

#[test]
fn every_error_of_the_library_is_a_sentence_without_its_words_and_says_what_to_do() {
    assert!(is_code("InvalidContentType") && is_code("Other(OtherError(X))") && is_code("{"), "the check can fail");
    for err in every_error() {
        let said = explain(&err);
        assert!(said.split([' ', ':', ',']).all(|word| !is_code(word)), "{err:?}: {said}");
        let (what, fix) = said.split_once(": ").unwrap_or_else(|| panic!("{err:?} has no advice: {said}"));
        assert!(!what.is_empty() && !fix.is_empty() && said.len() <= 250, "{err:?}: {said}");
        assert!(!said.contains("  ") && !said.ends_with('.'), "{err:?}: {said}");
    }
}

#[test]
fn what_receivers_really_get_wrong_has_its_own_words() {
    for (err, word) in [
        (Error::InvalidCertificate(other(webpki::Error::CaUsedAsEndEntity)), "CA:TRUE"),
        (Error::InvalidCertificate(other(webpki::Error::UnsupportedCertVersion)), "version 1"),
        (Error::InvalidCertificate(CertificateError::Expired), "expired"),
        (Error::InvalidCertificate(CertificateError::NotValidForName), "another host"),
        (Error::InvalidCertificate(CertificateError::UnknownIssuer), "self-signed"),
        (Error::InvalidMessage(InvalidMessage::InvalidContentType), "not TLS"),
        (Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge), "64 KiB"),
        (Error::PeerMisbehaved(PeerMisbehaved::TooManyWarningAlertsReceived), "check the host in the URL"),
        (Error::AlertReceived(Alert::UnrecognisedName), "check the host in the URL"),
        (Error::AlertReceived(Alert::ProtocolVersion), "TLS 1.2 or 1.3"),
        (Error::AlertReceived(Alert::HandshakeFailure), "ECDHE"),
        (Error::AlertReceived(Alert::CertificateRequired), "client certificate"),
        (Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13), "TLS 1.2 or 1.3"),
    ] {
        assert!(explain(&err).contains(word), "{err:?}: {}", explain(&err));
    }
}
