//! Someone who asks, and what they may do.

use model::{DeviceId, ErrorCode, Permission, UserId};

use crate::http::error::{ApiError, ApiResult};

/// A user who is signed in, on one of their devices.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub user: UserId,
    pub permissions: Vec<Permission>,
    pub device: DeviceId,
}

impl Caller {
    /// Whether the caller holds a permission (`admin` holds all).
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.iter().any(|held| *held == permission || *held == Permission::Admin)
    }

    /// Refuses one who lacks a permission.
    pub fn require(&self, permission: Permission) -> ApiResult<()> {
        if self.may(permission) {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Forbidden, format!("this needs the permission {permission}")))
    }
}
