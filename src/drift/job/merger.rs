use super::store::Store;
use crate::{fault::Fault, stream::Outputs};
pub struct Merger;
impl Merger {
    pub fn follow(&mut self, _: &impl Store) -> Result<(), Fault> {
        Ok(())
    }
    pub fn is_due(&self) -> bool {
        false
    }
    pub fn write(&mut self, _: i32, _: &mut Outputs) -> Result<(), Fault> {
        Ok(())
    }
    pub fn committed(&mut self) {}
    pub fn forget(&mut self) {}
    pub fn load(&mut self, _: &impl Store, _: &dyn Fn() -> bool) -> Result<(), Fault> {
        Ok(())
    }
}
